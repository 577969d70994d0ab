"""Text that people read or `kubectl` applies: Jinja2 files in `templates/`, sandboxed and strict.

The folder stands at the top of the repository; a wheel carries it inside the package. Marks are
`[[ value ]]` and `[% statement %]`, so that `${{ }}` and `{{ }}` of other languages stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import knet
from knet.errors import KnetError


def folder() -> Path:
    """Where the templates are: in the package, or beside it in a checkout."""
    package = Path(knet.__file__).parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def render(name: str, /, **values: Any) -> str:
    """The text of a template. Every value that it names has to be given.

    Raises KnetError if there is no such template: the installation is incomplete.
    """
    # imported here: 100 ms that most commands need not pay
    from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from knet import checks

    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder()),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        autoescape=False,
    )
    try:
        return environment.get_template(name).render(values)
    except TemplateNotFound:
        said = f"template {name} is not in {folder()}"
        raise KnetError(checks.UNREADABLE(said, hint="install knet again")) from None

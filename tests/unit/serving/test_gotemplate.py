"""Go's text/template, as far as domain and tag templates use it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.text.gotemplate import Struct, TemplateError, compile_template

FIELDS = {
    "Name": "hello",
    "Namespace": "shop",
    "Domain": "example.com",
    "Labels": {"app": "cart", "size": ""},
    "Annotations": {"sub": "red"},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Name}}.{{.Namespace}}.{{.Domain}}", "hello.shop.example.com"),
        ('{{.Name}}.{{ index .Annotations "sub" }}.{{.Domain}}', "hello.red.example.com"),
        ("{{.Labels.app}}", "cart"),
        ('{{index .Labels "gone"}}', ""),
        ("{{.Labels.gone}}", "<no value>"),
        ("{{if .Labels.size}}big{{else if .Labels.app}}app{{else}}none{{end}}", "app"),
        ('{{if eq .Namespace "shop" "mall"}}in{{end}}', "in"),
        ('{{if and .Name (ne .Domain "x") (not .Labels.size)}}all{{end}}', "all"),
        ('{{or .Labels.size "m"}}', "m"),
        ('{{printf "%s-%s" .Name .Namespace}}', "hello-shop"),
        ('{{.Name | printf "%s.%s" .Domain}}', "example.com.hello"),
        ('{{printf "%q %d %5s|%-5s|%v" "a" 7 "b" "c" true}}', '"a" 7     b|c    |true'),
        ("a {{- .Name -}} b", "ahellob"),
        ("{{/* nothing */}}x", "x"),
        ("{{with $l := .Labels}}{{$l.app}}{{end}}", "cart"),
        ("{{$n := .Name}}{{$n}}{{$.Namespace}}", "helloshop"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v};}{{end}}".replace("{{$v};}", "{{$v}};"), "app=cart;size=;"),
        ("{{len .Name}}{{slice .Name 1 3}}", "5el"),
        ('{{`raw "`}}', 'raw "'),
        ("{{if lt (len .Name) 9}}short{{end}}", "short"),
        (
            '{{js "a\'b\\"c\\\\d<e>&=f\\n\\u0001é\\u200b/"}}',
            r"a\'b\"c\\d\u003Ce\u003E\u0026\u003Df\u000A\u0001é\u200B/",
        ),
        ("{{html \"<a href='x'>&\"}}", "&lt;a href=&#39;x&#39;&gt;&amp;"),
        ("{{1.0}} {{2.5}} {{0.00001}}", "1 2.5 1e-05"),
    ],
)
def test_what_go_gives(template, text):
    assert compile_template(template)(FIELDS) == text


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{.Nmae}}", "can't evaluate field Nmae"),
        ("{{.Name.First}}", "can't evaluate field First"),
        ("{{upper .Name}}", 'function "upper" not defined'),
        ("{{.Name", "unclosed action"),
        ("{{if .Name}}", "is missing"),
        ("{{end}}", "unexpected"),
        ('{{template "x"}}', "is not known here"),
        ("{{$x}}", "undefined variable"),
        ("{{index .Name}}{{slice .Name 9}}", "out of range"),
        ("{{eq 1 .Name}}", "incompatible types"),
        ('{{printf "%99999999s" "x"}}', "too large"),
        ("{{" + "(" * 3000 + ".Name" + ")" * 3000 + "}}", "nests too deep"),
    ],
)
def test_what_is_no_template(template, why):
    with pytest.raises(TemplateError, match=why):
        compile_template(template)(FIELDS)


def test_methods_and_structs():
    struct = Struct(Get=lambda name: f"<{name}>", Size=3)
    made = compile_template('{{.It.Get "a"}} {{"b" | .It.Get}} {{.It.Size}} {{.It}}')
    struct.text = "itself"
    assert made({"It": struct}) == "<a> <b> 3 itself"
    for wrong in ("{{.It.Bogus}}", "{{.It.Get}}", '{{.It.Get "a" "b"}}', "{{.It.Size 1}}"):
        with pytest.raises(TemplateError):
            compile_template(wrong)({"It": struct})


@given(st.text(alphabet='{}.-|"$:=() NameLabelsifendrangeindexprintf%sd', max_size=60))
def test_any_text_is_a_template_or_an_error(text):
    try:
        made = compile_template("{{" + text + "}}")(FIELDS)
    except TemplateError:
        return
    assert isinstance(made, str)

"""Which revision a Configuration makes, which are its latest, and what it says meanwhile."""

from __future__ import annotations

from knet.serving.configuration_status import reconcile, refused
from unit.serving.revisions import NOW, configuration, revision, said

FAILED = ("False", "ExitCode3", "Container failed with: no")


def held(*revisions):
    return {r.metadata.name: r for r in revisions}


def test_the_first_revision_is_made_and_waited_for():
    out = reconcile(configuration(), {}, NOW)
    assert out.revision.metadata.name == "hello-00001"
    assert out.revision.metadata.owner_references[0].uid == "hello-uid"
    assert out.status["latestCreatedRevisionName"] == "hello-00001"
    assert "latestReadyRevisionName" not in out.status
    assert said(out.status) == ("Unknown", "", "")
    assert [e.message for e in out.events] == ['Created Revision "hello-00001"']


def test_a_ready_revision_becomes_the_latest():
    out = reconcile(configuration(), held(revision(ready="True")), NOW)
    assert out.revision is None
    assert out.status["latestReadyRevisionName"] == "hello-00001"
    assert said(out.status) == ("True", "", "")
    assert [e.reason for e in out.events] == ["ConfigurationReady", "LatestReadyUpdate"]


def test_one_that_failed_is_told_and_the_old_one_stays():
    before = configuration(generation=2, latestReadyRevisionName="hello-00001")
    out = reconcile(before, held(revision(ready="True"), revision("hello-00002", 2, FAILED)), NOW)
    assert out.status["latestReadyRevisionName"] == "hello-00001"
    assert out.status["latestCreatedRevisionName"] == "hello-00002"
    words = 'Revision "hello-00002" failed with message: Container failed with: no.'
    assert said(out.status) == ("False", "RevisionFailed", words)
    assert [(e.kind, e.reason) for e in out.events] == [("Warning", "LatestCreatedFailed")]
    told = configuration(
        generation=2,
        latestReadyRevisionName="hello-00001",
        latestCreatedRevisionName="hello-00002",
        conditions=out.status["conditions"],
    )
    again = reconcile(told, held(revision(ready="True"), revision("hello-00002", 2, FAILED)), NOW)
    assert not again.events
    assert again.status == out.status


def test_the_latest_ready_never_goes_back_but_goes_on_where_one_in_between_is_ready():
    before = configuration(generation=3, latestReadyRevisionName="hello-00002")
    three = held(revision(ready="True"), revision("hello-00002", 2, FAILED), revision("hello-00003", 3))
    assert reconcile(before, three, NOW).status["latestReadyRevisionName"] == "hello-00002"
    first = configuration(generation=3, latestReadyRevisionName="hello-00001")
    three = held(revision(ready="True"), revision("hello-00002", 2, "True"), revision("hello-00003", 3))
    assert reconcile(first, three, NOW).status["latestReadyRevisionName"] == "hello-00002"


def test_a_configuration_that_was_restored_counts_from_one_again():
    before = configuration(generation=1, latestReadyRevisionName="hello-00007")
    waits = held(revision("hello-00007", 7, "Unknown"), revision("hello-00001", 1, "True"))
    assert reconcile(before, waits, NOW).status["latestReadyRevisionName"] == "hello-00001"
    serves = held(revision("hello-00007", 7, "True"), revision("hello-00001", 1, "True"))
    assert reconcile(before, serves, NOW).status["latestReadyRevisionName"] == "hello-00007"


def test_going_back_to_an_older_name_of_ones_own_makes_it_the_latest():
    back = configuration(
        template="hello-a",
        generation=3,
        latestReadyRevisionName="hello-b",
        latestCreatedRevisionName="hello-b",
    )
    first = revision("hello-a", 1, "True")
    first = first.model_copy(update={"spec": back.spec.template.spec})
    out = reconcile(back, held(first, revision("hello-b", 2, "True")), NOW)
    assert out.revision is None
    assert out.status["latestCreatedRevisionName"] == out.status["latestReadyRevisionName"] == "hello-a"
    assert said(out.status) == ("True", "", "")


def test_a_latest_that_fails_and_comes_right():
    names = {"latestReadyRevisionName": "hello-00001", "latestCreatedRevisionName": "hello-00001"}
    failed = reconcile(configuration(**names), held(revision(ready=FAILED)), NOW)
    assert [e.reason for e in failed.events] == ["LatestReadyFailed"]
    assert said(failed.status)[:2] == ("False", "RevisionFailed")
    told = configuration(**names, conditions=failed.status["conditions"])
    # what is not known is no reason to forget that it failed
    assert reconcile(told, held(revision(ready="Unknown")), NOW).status == failed.status
    well = reconcile(told, held(revision(ready="True")), NOW)
    assert said(well.status) == ("True", "", "")
    assert not well.events


def test_an_unusual_wait_is_told_a_usual_one_is_not():
    image = ("Unknown", "CreateContainerConfigError", 'configmap "late" not found')
    assert said(reconcile(configuration(), held(revision(ready=image)), NOW).status) == image
    usual = ("Unknown", "Deploying", "")
    assert said(reconcile(configuration(), held(revision(ready=usual)), NOW).status) == ("Unknown", "", "")


def test_a_name_of_ones_own():
    byo = configuration(template="hello-blue")
    assert reconcile(byo, {}, NOW).revision.metadata.name == "hello-blue"
    good = reconcile(byo, held(revision("hello-blue", ready="True")), NOW)
    assert good.status["latestReadyRevisionName"] == "hello-blue"


def test_a_name_that_is_taken():
    words = (
        'Revision creation failed with message: revisions.serving.knative.dev "hello-blue" already exists.'
    )
    changed = configuration(template="hello-blue", generation=2, image="new")
    out = reconcile(changed, held(revision("hello-blue", 1, "True")), NOW)
    assert out.revision is None
    assert said(out.status) == ("False", "RevisionFailed", words)
    assert not out.events  # no revision of its own has failed
    theirs = revision("hello-blue", 2, "True", owner="other")
    assert said(reconcile(changed, held(theirs), NOW).status) == ("False", "RevisionFailed", words)
    # the same spec under the same name is no conflict, whatever the generation
    same = configuration(template="hello-blue", generation=2)
    kept = revision("hello-blue", 1, "True")
    plain = kept.model_copy(update={"spec": same.spec.template.spec})
    assert said(reconcile(same, held(plain), NOW).status) == ("True", "", "")


def test_a_numbered_name_that_somebody_else_has():
    out = reconcile(configuration(), held(revision(owner="other")), NOW)
    assert out.revision is None
    assert said(out.status)[1] == "RevisionFailed"
    assert '"hello-00001" already exists' in said(out.status)[2]


def test_a_revision_that_the_api_does_not_take_is_told():
    before = configuration(
        generation=2, latestReadyRevisionName="hello-00001", latestCreatedRevisionName="hello-00001"
    )
    why = 'revisions "hello-00002" is forbidden: exceeded quota: few'
    out = refused(before, why, NOW)
    words = f"Revision creation failed with message: {why}."
    assert said(out.status) == ("False", "RevisionFailed", words)
    assert out.status["latestCreatedRevisionName"] == "hello-00001"
    assert [(e.reason, e.message) for e in out.events] == [
        ("CreationFailed", f"Failed to create Revision: {why}")
    ]
    # and is over once it is there
    told = configuration(
        generation=2, latestReadyRevisionName="hello-00001", conditions=out.status["conditions"]
    )
    made = held(revision(ready="True"), revision("hello-00002", 2, "Unknown"))
    assert said(reconcile(told, made, NOW).status) == ("Unknown", "", "")


def test_a_deleted_latest_is_made_again():
    before = configuration(latestReadyRevisionName="hello-00001", latestCreatedRevisionName="hello-00001")
    assert reconcile(before, {}, NOW).revision.metadata.name == "hello-00001"

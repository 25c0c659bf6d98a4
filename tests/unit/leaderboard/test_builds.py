"""What a page says of a build and of its sandbox: text that an entrant wrote, and the host's own policy."""

import json

import pytest

from harness.sandbox.supply import Destination, NewFile, Package, Share, Supply, Traffic
from leaderboard.exports import grade_to_json
from leaderboard.grade_pages import grade_pages
from leaderboard.policies import in_force
from leaderboard.publishable import publishable
from leaderboard.render import render_grade
from leaderboard.standings import standings

POLICY = {
    "base_image": "registry.internal/x",
    "uid": 210_000,
    "build": {"memory_bytes": 32 << 30, "pids": 4096, "cpus": 2.0},
    "run": {"memory_bytes": 64 << 30, "pids": 1024, "cpus": 1.5},
    "build_timeout_s": 3600.0,
    "log_bytes": 1 << 20,
    "gpu_device_ids": ["GPU-1f2e", "GPU-3c4d"],
    "runtime": "runsc",
    "block_private_networks": True,
    "from_another_version": None,
}


def package(name="six", version="1.17", *, matching=7, problem=""):
    return Package(
        name=name, version=version, listed=0 if problem else 7, matching=0 if problem else matching,
        different=7 - matching, missing=0, size_bytes=37_544, problem=problem,
    )  # fmt: skip


def destination(**fields):
    told = {
        "address": "151.101.0.223",
        "asked": "pypi.org",
        "resolved": "pypi.org",
        "tried": 3,
        "answered": 2,
    }
    return Destination(protocol="tcp", port=443, **{**told, **fields})


def spoken(*destinations, **fields):
    return Traffic(
        received_bytes=412_000_000,
        sent_bytes=1_000_000,
        destinations=destinations,
        **{"destinations_found": len(destinations), **fields},
    )


def supply(text="honest", *, traffic=None, packages=None):
    return Supply(
        as_sent=Share(files=4, size_bytes=4871),
        changed=Share(files=1, size_bytes=10),
        added=Share(files=1204, size_bytes=310_000_000),
        removed=Share(),
        largest=(NewFile(path=text, size_bytes=5_000_000, sha256="ab" * 32, was_sent=False),),
        packages=packages or (package(text, text),),
        packages_found=1,
        recorded=Share(files=7, size_bytes=37_544),
        traffic=traffic or spoken(destination(asked=text, resolved=text)),
    )


def page_of(grades, **provenance):
    made = [grades.graded(provenance=provenance)]
    (page,) = grade_pages(made, standings(made))
    return page


def test_a_build_is_shown_with_its_difference_its_packages_and_its_traffic(grades, read_page):
    text = " ".join(read_page(render_grade(page_of(grades, supply=supply()))).texts)
    for shown in ("1,204", "310 MB", "412 MB, headers and all", "all 7", "5.0 MB"):
        assert shown in text


def test_a_package_that_is_not_what_its_record_says_is_not_shown_as_if_it_were(grades, read_page):
    """Control: counts of digests that were compared. Shown by its name alone it would pass for six 1.17."""
    packages = (package(matching=5), package("torch", "9", problem="it has no RECORD"))
    text = " ".join(read_page(render_grade(page_of(grades, supply=supply(packages=packages)))).texts)
    assert "5 of 7" in text
    assert "2 different" in text
    assert "not compared: it has no RECORD" in text
    assert "all 7" not in text


def test_whom_a_build_spoke_to_is_shown_and_the_hosts_own_network_is_not(grades, read_page):
    """The resolver stands in the operator's network: its address is nobody else's business."""
    own = destination(address="10.255.255.53", asked="", resolved="dns.internal")
    page = page_of(grades, supply=supply(traffic=spoken(destination(), own, unheard="3 packets were missed")))
    text = " ".join(read_page(render_grade(page)).texts)
    for shown in ("pypi.org", "151.101.0.223", "tcp 443", "not a public one", "3 packets were missed"):
        assert shown in text
    for hidden in ("10.255", "dns.internal"):
        assert hidden not in text
        assert hidden not in json.dumps(grade_to_json(page))


def test_silence_and_deafness_are_told_apart(grades, read_page):
    silent = " ".join(read_page(render_grade(page_of(grades, supply=supply(traffic=spoken())))).texts)
    assert "It spoke to nobody" in silent
    deaf = spoken(destinations_found=None, unheard="nobody could listen")
    text = " ".join(read_page(render_grade(page_of(grades, supply=supply(traffic=deaf)))).texts)
    assert "nobody could listen" in text
    assert "It spoke to nobody" not in text


def test_what_was_not_counted_is_said_with_the_reason(grades, read_page):
    uncounted = supply(traffic=Traffic(missing="a plain process shares this machine's network"))
    text = " ".join(read_page(render_grade(page_of(grades, supply=uncounted))).texts)
    assert "not counted: a plain process shares" in text


def test_hostile_names_add_no_element(grades, read_page, hostile):
    honest = read_page(render_grade(page_of(grades, supply=supply())))
    page = read_page(render_grade(page_of(grades, supply=supply(hostile))))
    assert page.shape == honest.shape
    assert page.open == []
    assert len(page.texts) == len(honest.texts)


def test_long_names_are_cut(grades):
    public = publishable(grades.graded(provenance={"supply": supply("x" * 5000)})).provenance.supply
    assert len(public.largest[0].path) == 120
    assert len(public.packages[0].name) == len(public.packages[0].version) == 64


def test_an_older_record_has_no_such_section(grades):
    assert 'id="build"' not in render_grade(page_of(grades))


def test_the_whole_policy_is_shown_but_for_the_hosts_own_names(grades, read_page):
    page = page_of(grades, sandbox_policy=POLICY)
    text = " ".join(read_page(render_grade(page)).texts)
    for shown in (
        "32 GiB",
        "64 GiB",
        "4,096",
        "1,024",
        "3,600 s",
        "1 MiB",
        "runsc",
        "210000",
        "from_another_version",
    ):
        assert shown in text
    record = grade_to_json(page)["provenance"]["sandbox_policy"]
    assert record["gpus"] == 2
    for hidden in ("registry.internal", "GPU-1f2e"):
        assert hidden not in text
        assert hidden not in json.dumps(record)


@pytest.mark.parametrize(
    ("policy", "facts", "limits"),
    [({}, 0, 0), ({"build": {}}, 0, 0), ({"build": {"pids": 1}}, 0, 1), ({"entry_bytes": "many"}, 1, 0)],
)
def test_a_policy_with_gaps_is_shown_as_far_as_it_goes(policy, facts, limits):
    shown = in_force(policy)
    assert (len(shown.facts), len(shown.limits)) == (facts, limits)

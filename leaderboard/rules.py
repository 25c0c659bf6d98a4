"""The rules of the challenge, and how each is enforced here: as much by measurement as can be, the rest by a person."""

from __future__ import annotations

from dataclasses import dataclass

from harness.spec import CHALLENGE


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule in short, what holds it, where that can be seen, and what is left to trust or to a person."""

    name: str
    title: str
    rule: str
    enforced: str
    check: str
    left: str


SOURCE = "https://github.com/1x-technologies/1xgpt"
"""Where 1X states them, with the details of the challenge that rules 4 and 5 are numbered in."""

RULES = (
    Rule(
        name="first-below",
        title="The prize",
        rule=f"First to reach a temporally teacher-forced loss below {CHALLENGE.prize_loss:.1f} nats per token on the "
        "private test set.",
        enforced="The host holds the truth and computes the loss itself, from logits that it received before it "
        "showed the frame. Nothing that an entry writes is taken as a score: programs of the open protocol, which read "
        "the whole clip, have no rank. The private set is never in the box. "
        "The mean decides, as it is published: 8.00 is not below 8.0. The first such grade counts that is announced, "
        "ran in a container, on all windows in an order that shows nothing ahead, is neither withdrawn nor a forbidden "
        "reference nor the organiser's own, and does not renounce the prize. Of answers that were scored again the "
        "last scoring counts, from the day on which they were given.",
        check="The line above the ranking of private data, with day, entry and interval; a row below the line that "
        "cannot win says why; first_below_prize_loss and barred_by in leaderboard.json.",
        left="The organiser decides which data is the private set, and says who won.",
    ),
    Rule(
        name="factorized",
        title="Factorized predictions (details 2 and 3)",
        rule=f"A token of {CHALLENGE.vocab:,} values is predicted as {CHALLENGE.factors} independent factors of "
        f"{CHALLENGE.factor_vocab}.",
        enforced="An answer has room for nothing else: logits for each factor. The host normalises them itself, in "
        "float64, and refuses what is not finite.",
        check="wmc check ZIP plays the same conversation; wmc explain guest. lists how an answer can fail.",
        left="Nothing.",
    ),
    Rule(
        name="actions",
        title="No future actions (detail 4)",
        rule="A prediction may use the actions before the frame it predicts, no later ones.",
        enforced="Actions come through the same gate as frames, with the frame they led to. When frames are "
        "imagined, they are zero.",
        check="wmc check ZIP plays the same conversation on your own data: actions come with the frame they led to.",
        left="Nothing.",
    ),
    Rule(
        name="retrieval",
        title="No retrieval of the training set (detail 5)",
        rule="Looking a scene up in the training set and seeking ahead is forbidden.",
        enforced="Every announced grade that was checked says what the entry shares with the training set's mistakes, "
        "how much better it knows the training set, and whether training frames lie in its files.",
        check="The badge of a row, and the section Retrieval of its page; wmc retrieval.",
        left="A verdict calls a person and disqualifies nobody. Weak copies, and frames that are compressed or "
        "encrypted, can be missed.",
    ),
    Rule(
        name="sandbox",
        title="Ubuntu 22.04, CUDA 12.3, build.sh and evaluate.py",
        rule="A submission is built by build.sh and run by evaluate.py in a sandboxed environment.",
        enforced="Built once with a network and without data; run without a network, without rights, on a read-only "
        "disk, in a new container for every regime.",
        check="The column Origin; the section Sandbox of a grade's page has the policy in force.",
        left="What a container lets through. A badge marks what was run without one.",
    ),
    Rule(
        name="identity",
        title="One name, one address",
        rule="A user name is tied 1:1 to an e-mail address.",
        enforced="The name belongs to the address it first came from: what comes under it from another one, or from "
        "that address under another name, is not graded before the organiser has decided who is meant.",
        check="The code admission.name_taken; a badge marks an older grade from another sender.",
        left="That one person does not write from two addresses.",
    ),
    Rule(
        name="review",
        title="Code is read before it runs",
        rule="The organiser reviews the code of a submission by hand.",
        enforced="On private data a submission is graded once its bytes were approved; the record, which stays with "
        "the organiser, says by whom. What turns out to be wrong later is withdrawn, with every regrade of its "
        "answers; it stays to be seen, and nothing that was announced before changes.",
        check="The code admission.not_approved; a withdrawn grade is struck through, with the day and the reason on "
        "its page and among the changes.",
        left="What the reader sees in it.",
    ),
    Rule(
        name="attempts",
        title="The private set is not read by trying",
        rule="The private test set stays private, however often somebody submits.",
        enforced="An entrant has few graded attempts on it in a period; failures that are not the entry's do not "
        "count. Figures are rounded, and an announced best changes only when it is beaten by more than noise. Ranks "
        "that published intervals do not part share a band.",
        check="The section What is announced of private data; the code admission.limit_reached.",
        left="That nobody submits under several names.",
    ),
    Rule(
        name="declared",
        title="What an entrant declares",
        rule="Training FLOPs, external data and the loss on the public validation set come with a submission.",
        enforced="They are shown as declared. The claimed loss stands beside the measured one where the entry was "
        "graded on the public set.",
        check="The column Claimed loss; the section What its entrant declares of a grade's page.",
        left="Training FLOPs and external data are taken on trust.",
    ),
    Rule(
        name="eligibility",
        title="Eligibility (detail 6)",
        rule="No prize can go to individuals in U.S. sanctioned countries, or against the spirit of the challenge.",
        enforced="Every manifest attests eligibility. One that says eligible_for_prize = false is ranked, and passed "
        "over for the prize.",
        check="The badge not for the prize.",
        left="Whether it is true. The organiser decides.",
    ),
)

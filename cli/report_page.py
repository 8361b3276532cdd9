"""A report of `tally verify` as one page of HTML: for somebody who is no engineer, and for the printer.

The page is one file. It has no scripts and asks nobody for anything: a browser may show it without a
network, and its policy (`Content-Security-Policy`) forbids it to try. Every text that goes into it is escaped
on its way (`contracts.markup`), since partners may have written it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from cli.call import plural
from cli.verdict import PARTLY, VERDICTS, counted
from contracts.markup import PAGE_POLICY, bullets, rows, tag, text_of, wrap
from ledger.audit.finding import Finding, Sort, Unchecked
from ledger.audit.report import NO_LEDGER_CAN_TELL, Report

_STYLE = """
body { font: 11pt/1.5 Georgia, 'Times New Roman', serif; color: #1a1a1a; background: #fff;
  max-width: 46em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; margin-bottom: .5em; } h2 { font-size: 1.2em; margin-top: 2em;
  border-bottom: 1px solid #999; } h3 { font-size: 1.05em; margin: 0 0 .4em; } p { margin: .5em 0; }
.verdict { border: 2px solid; border-left-width: 10px; padding: .6em 1.2em; margin: 1.2em 0; }
.verdict strong { font-size: 1.3em; } .holds { border-color: #1b6e3c; } .fails { border-color: #a11616; }
.open { border-color: #8a6100; } .finding { border-left: 4px solid #a11616; padding: .2em 0 .2em 1em;
  margin: 1.6em 0; }
table { border-collapse: collapse; width: 100%; margin: .8em 0; } th, td { text-align: left;
  vertical-align: top; padding: .25em .8em .25em 0; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
th { font-weight: normal; color: #555; width: 12em; }
.small, .finding table { color: #444; font-size: .85em; }
ul { padding-left: 1.4em; } li { margin: .3em 0; overflow-wrap: anywhere; }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 10pt; } }
h1, h2, h3 { break-after: avoid; } .verdict, .finding, tr, li { break-inside: avoid; }
p, li { orphans: 3; widows: 3; }
@page { margin: 18mm 18mm 20mm;
  @bottom-right { content: counter(page) " / " counter(pages); font-size: 9pt; } }
"""

_ADVICE = {
    None: "These records are as they were signed: no entry was changed, exchanged or taken out since. What "
    "that does not say stands further below.",
    Sort.FORK: "Whoever holds a key signed two versions of the same records. At most one of them is true, "
    "and the signatures alone do not say which. Rely on nothing that only one version shows. Keep the data "
    "as it is: the two signed statements prove it to anyone.",
    Sort.ROLLBACK: "Records that existed before are not shown any more. Do not rely on what is newest here "
    "until they are back or explained.",
    Sort.GAP: "Records are missing that, by a signature, exist. What is here holds but for what is named "
    "below; what is missing may say anything.",
    Sort.INVALID: "Something is not as it was signed, or not as the rules allow. Rely on nothing that is "
    "named below. What is neither named there nor listed as unchecked holds.",
}
"""What somebody who relies on the records may make of the gravest finding."""

_PARTLY = (
    "What was checked holds. But something that should be there was not to be had, so that nobody can say "
    "whether all of it does. It is named below."
)

_MEANINGS = {
    "bundle": "The file that was given cannot be relied on as a whole.",
    "chain-missing": "Entries are missing that, by a signature, exist.",
    "chain": "The row of entries, in which each names the one before it, is broken at this place.",
    "copy": "Two members hold different copies of what should be one log.",
    "counted": "The organization that keeps the time of an agreement turned its clock back.",
    "database": "The file in which the home is kept is damaged or was changed by hand.",
    "decision": "A recorded outcome of a contract is not the one that its rules give.",
    "decision-parties": "Two organizations recorded different outcomes of one contract.",
    "document": "A proposed agreement is no contract that can be read.",
    "event": "A recorded event is not in the form that the standard asks for, or not the one that was meant.",
    "evidence": "Evidence proves that a key signed two histories of one log. Only whoever holds that key can "
    "have done so.",
    "evidence-unproven": "What is called evidence proves nothing, and must not be held against the accused.",
    "evidence-witness": "Evidence proves that a witness confirmed two histories of one log. Its "
    "confirmations do not count any more.",
    "head": "A signed summary of a log does not fit what is shown of it.",
    "head-fork": "Another signed summary of the same log exists, and the two do not fit: its key signed two "
    "histories.",
    "head-older": "Less of a log is shown than its writer had signed before.",
    "member": "It is not certain that this organization belongs to the network as it claims.",
    "note": "A signed summary of a log does not hold.",
    "note-fork": "The key of this log signed two summaries of it that no one history fits.",
    "note-missing": "The newest entries are under no signature: nobody stands for them.",
    "note-root": "The entries are not those over which the summary was signed.",
    "opening": "A log was opened in the place of an earlier one, and something about that does not hold.",
    "payload": "The content of an entry is not the one that was recorded, or is missing.",
    "payload-changed": "The content that is kept for this entry is not the one that was recorded. What was "
    "recorded is therefore not known from here; another holder may have it.",
    "payload-form": "What was recorded here is no statement that anybody can read.",
    "person": "A person's signature does not hold.",
    "place-older": "Less is here than there was when the home was last open on this machine.",
    "place": "The home is not in the state in which it was last seen on this machine.",
    "range": "The entries that were looked at do not belong to the log that was signed.",
    "receipt": "The receipt does not prove what it should.",
    "rotation": "A change of keys does not hold.",
    "tile": "What is served to others is not what the log contains.",
    "time": "An entry claims a time that others' signatures contradict.",
    "witness": "A witness signed two histories of one log.",
}
"""What a finding means, by the first word of its code, or by the whole code where that says more."""


def report_page(report: Report, code: int, made: datetime) -> str:
    """The page; `made` is when the audit ended."""
    body = "".join(
        (
            tag("h1", "Report of a verification"),
            *_verdict(report),
            *_top(report, made),
            *_findings(report),
            *_checked(report),
            *_unchecked(report.unchecked),
            *_limits(),
            *_fingerprints(report),
            *_foot(code),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"{tag('title', f'Verification of {report.target}')}"
        f"<style>{_STYLE}</style></head>\n<body>{body}</body></html>\n"
    )


def _verdict(report: Report) -> Iterator[str]:
    if report.findings:
        found, kind, advice = VERDICTS[report.sort], "fails", _ADVICE[report.sort]
    elif report.is_whole:
        found, kind, advice = VERDICTS[None], "holds", _ADVICE[None]
    else:
        found, kind, advice = PARTLY, "open", _PARTLY
    yield wrap("div", wrap("p", tag("strong", found)) + tag("p", advice), class_=f"verdict {kind}")


def _top(report: Report, made: datetime) -> Iterator[str]:
    when = made.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC, by the clock of the auditor's machine")
    count = len(report.findings) + report.more
    yield rows(
        [
            ("What was verified", report.target),
            ("When", when),
            ("How much", counted(report)),
            ("What does not hold", plural(count, "finding") if count else "nothing was found"),
        ]
    )


def _findings(report: Report) -> Iterator[str]:
    if not report.findings:
        return
    yield tag("h2", "What does not hold, and what to do")
    for number, finding in enumerate(report.findings, 1):
        yield wrap("div", "".join(_finding(number, finding)), class_="finding")
    if report.more:
        yield tag("p", f"{plural(report.more, 'finding')} more of the same logs are counted and not listed.")


def _finding(number: int, finding: Finding) -> Iterator[str]:
    yield tag("h3", f"{number}. {_place(finding)}")
    yield tag("p", _MEANINGS.get(finding.code) or _MEANINGS[finding.code.partition("-")[0]])
    if finding.action:
        yield wrap("p", f"{tag('strong', 'What to do:')} {text_of(finding.action)}.")
    said = (
        ("Found", finding.found),
        ("Expected", finding.expected),
        ("Held against the signature of", finding.signer or "nobody"),
        ("Where", finding.where),
        ("Code", f"{finding.code} ({finding.sort})"),
    )
    yield rows((name, told) for name, told in said if told)


def _place(finding: Finding) -> str:
    """Where something is, in words: whose log, and which entry of it."""
    if not finding.log:
        return finding.place or "The home"
    entry = "" if finding.position is None else f", entry {finding.position}"
    return f"The log of {finding.log.partition('/')[0]}{entry}"


def _checked(report: Report) -> Iterator[str]:
    yield tag("h2", "What was checked" if report.findings else "What was checked, and holds")
    yield bullets(report.checked) if report.checked else tag("p", "Nothing: it could not be read.")


def _unchecked(unchecked: Iterable[Unchecked]) -> Iterator[str]:
    items = list(unchecked)
    yield tag("h2", "What could not be checked")
    if not items:
        yield tag("p", "Nothing was left out.")
    for title, harmless in (("This should have been there:", False), ("This is as it is meant to be:", True)):
        some = [_open_question(item) for item in items if item.harmless is harmless]
        if some:
            yield tag("p", title)
            yield bullets(some)


def _open_question(item: Unchecked) -> str:
    where = f" ({item.log}{'' if item.first is None else f', from entry {item.first}'})" if item.log else ""
    return f"{item.what}{f': {item.count:,}' if item.count > 1 else ''}{where}"


def _limits() -> Iterator[str]:
    yield tag("h2", "What no ledger can tell")
    yield bullets(NO_LEDGER_CAN_TELL)
    yield tag("h2", "The words on this page")
    yield bullets(
        (
            "A log is the record of one organization, in which it alone writes; others hold copies.",
            "An entry is one record in a log. Each names the one before it, so that none can be changed, "
            "added or left out later without a trace.",
            "The writer signs a summary of the whole log (a head). A witness that signs the same one says: I "
            "hold this log up to here.",
            "A signature says which key signed. Whose key that is, the members of the network say.",
            "A payload is the content of an entry. It goes only to those who may know it, and may be erased; "
            "its entry stays.",
            "This page is no proof by itself: whoever doubts it verifies again, on the same data, with this "
            "or another program.",
        )
    )


def _fingerprints(report: Report) -> Iterator[str]:
    if not report.logs:
        return
    yield tag("h2", "The logs that were verified")
    meaning = "Whoever finds the same size and the same fingerprint (root) of a log has the same records."
    yield tag("p", meaning)
    told = [
        (
            log.origin,
            f"{plural(log.size, 'entry', 'entries')}; root {log.root.hex() if log.root else 'unknown'}",
        )
        for log in report.logs
    ]
    yield wrap("div", rows(told), class_="small")


def _foot(code: int) -> Iterator[str]:
    yield tag("p", f"Made by tally verify (Tallystick), exit code {code}.", class_="small") + "\n"

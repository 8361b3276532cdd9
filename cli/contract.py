"""`tally contract`: check, show, try out and explain contracts, before and after they are signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.agree import MAX_CONTRACT_BYTES
from cli.call import Call, call_of, columns, plural
from cli.due import due_lines, obligation_lines
from cli.exits import NO, YES
from cli.explained import rule_lines
from cli.reading import find_agreement, open_home, read_text
from contracts.checker import inspect_document, inspect_draft
from contracts.contract import Contract, make_contract
from contracts.decision import evaluate
from contracts.document import Document, agreement_hash, format_document
from contracts.page import contract_page
from contracts.problems import Problem
from contracts.reading import draft_contract_yaml, parse_contract_yaml
from contracts.scenario import parse_scenario
from contracts.simulate import Simulation, simulate
from contracts.timeline import picture, timeline_lines
from contracts.values import format_value
from ledger.errors import UsageError
from node.disk import write_whole
from node.views.agreements import (
    explain_agreement,
    explained_rules,
    shown_due,
    shown_fact,
    shown_obligation,
)
from node.views.values import Json

Doc = Annotated[Path, typer.Argument(metavar="DOC", help="The contract document, in YAML.")]
DocOrAgreement = Annotated[
    str,
    typer.Argument(
        metavar="DOC|AGREEMENT", help="A contract document, or an agreement of the home: hash or name."
    ),
]


def check(context: typer.Context, file: Doc) -> int:
    """Say everything that is wrong or odd about a contract document.

    Each problem comes with its line and column, what was expected, and what to write instead. Errors
    refuse the document; warnings are what its signers should know. Exit code 1 where there are errors.

    \b
    tally contract check delivery.yaml
    """
    call = call_of(context)
    draft = draft_contract_yaml(read_text(file, "a contract", MAX_CONTRACT_BYTES), str(file))
    document = None if draft.faults else draft.document
    if document is None:
        found, cost = inspect_draft(draft), None
    else:
        report = inspect_document(document)
        found, cost = report.problems, report.cost
    errors = [problem for problem in found if problem.error]
    warnings = [problem for problem in found if not problem.error]
    value = {
        "name": None if document is None else document.name,
        "agreement": None if document is None else agreement_hash(format_document(document)).hex(),
        "errors": [_problem(problem) for problem in errors],
        "warnings": [_problem(problem) for problem in warnings],
        "cost": cost,
    }
    lines = [line for problem in (*errors, *warnings) for line in _problem_lines(problem)]
    call.answer(value, lines)
    counted = f"{plural(len(errors), 'error')}, {plural(len(warnings), 'warning')}"
    call.tell(f"{file}: {counted}" if errors else f"{file}: it can be proposed ({counted})")
    return NO if errors else YES


def render(
    context: typer.Context,
    source: DocOrAgreement,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the page here.")
    ] = None,
) -> None:
    """Show a contract as one page: the prose that is signed, and the rules beside it in words.

    The page is one HTML file without scripts, to read in any browser and to print. For an agreement of the
    home it also says how it stands.

    \b
    tally contract render delivery.yaml -o delivery.html
    """
    call = call_of(context)
    path = Path(source).expanduser()
    if path.is_file():
        contract = _contract(_read(path))
        page = contract_page(contract)
    else:
        with open_home(call.home) as home:
            found = home.book.agreement(home.reader, home.state, find_agreement(home, source))
            contract = found.contract
            page = contract_page(contract, found, evaluate(found, home.state.is_witnessed))
    value = {"name": contract.document.name, "agreement": contract.agreement.hex()}
    if output is None:
        call.answer({**value, "page": page}, page.splitlines())
        return
    write_whole(output, page.encode(), action="name another file for the page")
    call.answer({**value, "file": str(output)}, [str(output)])


def try_out(
    context: typer.Context,
    file: Doc,
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="Made-up facts and ticks, in YAML.")],
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw what happens as a picture.")
    ] = None,
) -> None:
    """Try a contract out: made-up facts and ticks, and what would follow when.

    The same rules run as on a node; nothing is recorded. What everybody would see is told in order, then
    what is due and who is obliged to what in the end.

    \b
    tally contract simulate delivery.yaml late.yaml --svg late.svg
    """
    call = call_of(context)
    simulation = _simulation(_read(file), scenario)
    if svg is not None:
        write_whole(svg, picture(simulation).encode(), action="name another file for the picture")
    value = _simulated(simulation)
    lines = [*columns(timeline_lines(simulation.steps)), *_outcome_lines(value)]
    call.answer(value, lines)


def explain(
    context: typer.Context,
    source: DocOrAgreement,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Only this rule; else all of them.")] = "",
    key: Annotated[
        str | None, typer.Option("--key", metavar="VALUE", help="Only for this value of the rule's key.")
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", metavar="SCENARIO", help="Made-up facts and ticks, for a document."),
    ] = None,
) -> None:
    """Explain for each rule why it has fired, or why not.

    Which conditions hold, from which entries; what is missing, who could bring it, and when it closes.

    \b
    tally contract explain coffee-delivery delivery
    """
    call = call_of(context)
    path = Path(source).expanduser()
    if path.is_file():
        if scenario is None:
            raise UsageError("--scenario", found="nothing", expected="a scenario, for a document")
        simulation = _simulation(_read(path), scenario)
        found = explained_rules(simulation.agreement, lambda origin, seq: True, rule or None, key)
        value: Json = {"name": simulation.agreement.contract.document.name, "rules": found}
    else:
        if scenario is not None:
            raise UsageError("--scenario", found="an agreement", expected="a document with it")
        value = _explained(call, source, rule or None, key)
    call.answer(value, rule_lines(value["rules"]))
    if not value["rules"]:
        call.tell("No rule exists yet: one `per` a field begins with the first fact or deadline that has it.")


def _explained(call: Call, source: str, rule: str | None, key: str | None) -> Json:
    with open_home(call.home) as home:
        agreement = find_agreement(home, source)
        return explain_agreement(home.reader, home.state, home.book, agreement, rule, key)


def _read(path: Path) -> Document:
    return parse_contract_yaml(read_text(path, "a contract", MAX_CONTRACT_BYTES), str(path))


def _contract(document: Document) -> Contract:
    return make_contract(document, agreement_hash(format_document(document)))


def _simulation(document: Document, path: Path) -> Simulation:
    text = read_text(path, "a scenario", MAX_CONTRACT_BYTES)
    scenario = parse_scenario(text, document, str(path))
    return simulate(_contract(document), format_document(document), scenario)


def _problem(problem: Problem) -> Json:
    return {
        "where": problem.where,
        "found": problem.found,
        "expected": problem.expected,
        "action": problem.action,
    }


def _problem_lines(problem: Problem) -> list[str]:
    lines = [f"{'error' if problem.error else 'warning'}: {problem}"]
    return [*lines, f"  To do: {problem.action}"] if problem.action else lines


def _simulated(simulation: Simulation) -> Json:
    agreement, evaluation = simulation.agreement, simulation.evaluation
    return {
        "name": agreement.contract.document.name,
        "agreement": agreement.contract.agreement.hex(),
        "steps": [
            {
                "time": format_value(step.at),
                "sort": step.sort,
                "name": step.name,
                "key": step.key,
                "lines": list(step.lines),
                "effects": [dict(effect) for effect in step.effects],
            }
            for step in simulation.steps
        ],
        "status": agreement.status,
        "reason": agreement.reason,
        "state": evaluation.state,
        "facts": [shown_fact(fact) for fact in agreement.facts],
        "due": [shown_due(agreement, due) for due in evaluation.dues],
        "obligations": [shown_obligation(agreement, each) for each in evaluation.obligations],
    }


def _outcome_lines(value: Json) -> list[str]:
    reason = f" ({value['reason']})" if value["reason"] else ""
    state = f", state {value['state']}" if value["state"] else ""
    lines = ["", f"In the end: {value['status']}{reason}{state}"]
    for found in (due_lines(value["due"]), obligation_lines(value["obligations"])):
        lines += ["", *found] if found else []
    return lines

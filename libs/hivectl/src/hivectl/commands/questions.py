"""`hive questions|answer`: what agents ask the operators."""

import click
from hivecommon.contracts.questions import AnswerQuestion, ListQuestions, QuestionState

from hivectl.cli import NUMBER, hive_command
from hivectl.shell import Shell
from hivectl.times import age, date_and_time


@hive_command(
    "questions",
    ("hive questions", "those that wait for an answer"),
    ("hive questions --all", "answered ones too"),
)
@click.option("--all", "everything", is_flag=True, help="Answered and expired ones too.")
async def questions(shell: Shell, *, everything: bool) -> None:
    """List questions."""
    state = None if everything else QuestionState.OPEN
    async with shell.bus() as bus:
        reply = await bus.request(ListQuestions(state=state))
    terminal = shell.terminal
    if terminal.as_json:
        terminal.json(reply)
        return
    now = shell.now()
    for one in reply.questions:
        until = f", until {date_and_time(one.deadline)}" if one.deadline else ""
        terminal.line(
            f"{one.id}  {one.asker} to {one.answerer}, {age(one.asked_at, now)} ago: {one.state}{until}"
        )
        terminal.block(one.text)
        if one.options:
            which = "any" if one.multiple else "one"
            terminal.line(f"  {which} of: {'; '.join(one.options)}")
        if one.answered_by:
            terminal.line(f"  answered by {one.answered_by}:")
            for choice in one.choices:
                terminal.line(f"    - {choice}")
            if one.answer:
                terminal.block(one.answer, indent="    ")
    if not reply.questions:
        terminal.note("nobody asks anything")
    elif reply.open:
        terminal.note(f"{reply.open} wait for you: `hive answer ID TEXT`")


@hive_command(
    "answer",
    ("hive answer 3 'the blue one'", "the answer goes to the asker's inbox"),
    ("hive answer 3 --choose red --choose blue", "of what the question offers"),
)
@click.argument("number", metavar="ID", type=NUMBER)
@click.argument("text", default="")
@click.option(
    "--choose", multiple=True, metavar="OPTION", help="One of the options, word for word."
)
async def answer(shell: Shell, number: int, text: str, *, choose: tuple[str, ...]) -> None:
    """Answer question ID with TEXT, with what it offers, or both; the first answer stands."""
    if not text.strip() and not choose:
        raise click.UsageError("an answer needs TEXT or --choose")
    async with shell.bus() as bus:
        reply = await bus.request(AnswerQuestion(id=number, answer=text, choices=list(choose)))
    if shell.terminal.as_json:
        shell.terminal.json(reply)
    else:
        shell.terminal.line(
            f"question {number}: {reply.question.state}, {reply.question.asker} is told"
        )

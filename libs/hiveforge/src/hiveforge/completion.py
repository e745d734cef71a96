"""Completion for bash, zsh and fish, made from the parsers, so that it cannot fall behind them."""

import argparse
from collections.abc import Mapping

SHELLS = ("bash", "zsh", "fish")
PR_WORDS = (
    "create",
    "list",
    "view",
    "diff",
    "checks",
    "review",
    "merge",
    "comment",
    "close",
    "reopen",
)
EXTRA = {"pr": PR_WORDS, "labels": ("list", "add", "remove", "create"),
         "files": ("list", "show", "put", "delete")}  # fmt: skip


def words_of(name: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return what may follow a verb: its options, and the fixed words it takes."""
    words = list(EXTRA.get(name, ()))
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        words += action.option_strings
        if action.choices and not action.option_strings:
            words += [str(choice) for choice in action.choices]
    return words


def script(shell: str, parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    """Return the completion script of a shell."""
    table = {name: words_of(name, parser) for name, parser in parsers.items()}
    if shell == "fish":
        return _fish(table, parsers)
    cases = "\n".join(f"    {name}) words='{' '.join(words)}' ;;" for name, words in table.items())
    body = f"""\
_hive_forge() {{
  local word words='' verb='' skip=''
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
    -r|--repo) skip=1 ;;
    -*) ;;
    *) verb=$word; break ;;
    esac
  done
  case $verb in
    '') words='{" ".join(table)} --repo --json --help' ;;
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _hive_forge hive-forge"""
    if shell == "bash":
        return body
    return f"autoload -U +X bashcompinit && bashcompinit\n{body}"


def _fish(table: Mapping[str, list[str]], parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    lines = ["complete -c hive-forge -f"]
    first = "__fish_use_subcommand"
    for name, words in table.items():
        summary = (parsers[name].description or "").replace("'", "\\'")
        lines.append(f"complete -c hive-forge -n {first} -a {name} -d '{summary}'")
        seen = f"'__fish_seen_subcommand_from {name}'"
        lines.append(f"complete -c hive-forge -n {seen} -a '{' '.join(words)}'")
    lines.append("complete -c hive-forge -s r -l repo -x -d 'the repository'")
    return "\n".join(lines)

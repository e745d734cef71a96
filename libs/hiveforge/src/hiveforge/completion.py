"""Completion for bash, zsh and fish, made from the parsers, so that it cannot fall behind them."""

import argparse
from collections.abc import Mapping

Parsers = Mapping[str, argparse.ArgumentParser]
SHELLS = ("bash", "zsh", "fish")
EXTRA = {"labels": ("list", "add", "remove", "create"),
         "files": ("list", "show", "put", "delete")}  # fmt: skip


# `complete` comes with bashcompinit, which needs what compinit makes.
_ZSH = """\
autoload -U +X compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit"""


def words_of(name: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return what may follow a verb: its options, and the fixed words it takes."""
    words = list(EXTRA.get(name, ()))
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        words += action.option_strings
        if action.choices and not action.option_strings:
            words += [str(choice) for choice in action.choices]
    return words


def script(shell: str, verbs: Parsers, of_pr: Parsers) -> str:
    """Return the completion script of a shell; `of_pr` are the parsers of what `pr` can do."""
    table = {name: words_of(name, parser) for name, parser in verbs.items()}
    table["pr"] = [*of_pr, *table["pr"]]
    deeper = {name: words_of(name, parser) for name, parser in of_pr.items()}
    if shell == "fish":
        return _fish(table, deeper, verbs)
    cases = [f"    pr,{name}) words='{' '.join(words)}' ;;" for name, words in deeper.items()]
    cases += [f"    {name},*) words='{' '.join(words)}' ;;" for name, words in table.items()]
    body = f"""\
_hive_forge() {{
  local word words='' verb='' action='' skip=''
  for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD-1))}}"; do
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
    -r|--repo) skip=1 ;;
    -*|[0-9]*) ;;
    *) if [[ -z $verb ]]; then verb=$word; else action=$word; break; fi ;;
    esac
  done
  case $verb,$action in
    ,*) words='{" ".join(table)} --repo --json --help' ;;
{chr(10).join(cases)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _hive_forge hive-forge"""
    if shell == "bash":
        return body
    return f"{_ZSH}\n{body}"


def _fish(table: Mapping[str, list[str]], deeper: Mapping[str, list[str]], verbs: Parsers) -> str:
    lines = ["complete -c hive-forge -f"]
    first = "__fish_use_subcommand"
    for name, words in table.items():
        summary = (verbs[name].description or "").replace("'", "\\'")
        lines.append(f"complete -c hive-forge -n {first} -a {name} -d '{summary}'")
        seen = f"__fish_seen_subcommand_from {name}"
        if name == "pr":
            seen += f"; and not __fish_seen_subcommand_from {' '.join(deeper)}"
        lines.append(f"complete -c hive-forge -n '{seen}' -a '{' '.join(words)}'")
    for name, words in deeper.items():
        seen = f"__fish_seen_subcommand_from pr; and __fish_seen_subcommand_from {name}"
        lines.append(f"complete -c hive-forge -n '{seen}' -a '{' '.join(words)}'")
    lines.append("complete -c hive-forge -s r -l repo -x -d 'the repository'")
    return "\n".join(lines)

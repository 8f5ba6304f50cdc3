"""completion: scripts for shells, and the hidden command by which they ask what a word may become.

Rule: the scripts know nothing; they hand over the words and show what comes back. Without a server, what
needs one is not completed: nothing is said, and it takes half a second at most.
"""

from __future__ import annotations

import sys
import time

from ovsdb.client.blocking import Client
from vsctl.errors import CommandError
from vsctl.grammar import command
from vsctl.options import GLOBAL, LOCAL
from vsctl.session import Session

PATIENCE = 0.5  # seconds for the database

BASH = r"""# ovs-vsctl completion for bash:  source <(ovs-vsctl completion bash)
_ovs_vsctl() {
    local line="${COMP_LINE:0:COMP_POINT}" current="${COMP_WORDS[COMP_CWORD]}" words word IFS=$' \t\n'
    read -ra words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    word="${words[-1]}"
    # Bash takes : and = for the ends of words: of what comes back it wants the part behind them.
    [[ "$current" == [:=] ]] && current=""
    local before="${word%"$current"}"
    IFS=$'\n'
    COMPREPLY=($("${words[0]}" _complete -- "${words[@]:1}" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
    [[ ${#COMPREPLY[@]} == 1 && "${COMPREPLY[0]}" == *[=:] ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _ovs_vsctl ovs-vsctl
"""

ZSH = r"""#compdef ovs-vsctl
# ovs-vsctl completion for zsh:  source <(ovs-vsctl completion zsh)
_ovs_vsctl() {
    local -a found open closed
    found=("${(@f)$(${words[1]} _complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    open=(${(M)found:#*[=:]})
    closed=(${found:#*[=:]})
    (( $#open )) && compadd -Q -S '' -a open
    (( $#closed )) && compadd -Q -a closed
}
compdef _ovs_vsctl ovs-vsctl
"""

FISH = r"""# ovs-vsctl completion for fish:  ovs-vsctl completion fish | source
function __ovs_vsctl_complete
    set -l typed (commandline -opc)
    $typed[1] _complete -- $typed[2..-1] (commandline -ct) 2>/dev/null
end
complete -c ovs-vsctl -f -a '(__ovs_vsctl_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@command("completion", "!SHELL", alone=True)
def completion(session: Session, shell: str) -> int:
    """Print a script that completes commands, options and names in bash, zsh or fish."""
    if shell not in SCRIPTS:
        raise CommandError(f'no completion for "{shell}": there is one for {", ".join(SCRIPTS)}')
    sys.stdout.write(SCRIPTS[shell])
    return 0


@command("_complete", "*WORD", alone=True)
def complete(session: Session, *words: str) -> int:
    """Print what the last of the words may become, one in each line."""
    from vsctl.completing import candidates  # which asks the database

    deadline = time.monotonic() + PATIENCE

    def connect(database: str | None) -> Client:
        return session.connect(deadline, database)

    for candidate in candidates(words[1:] if words[:1] == ("--",) else words, [*GLOBAL, *LOCAL], connect):
        print(candidate)
    return 0

/** The hidden verb that the scripts call. Its answer: the kind, then a word and its meaning a line. */
export const COMPLETE_VERB = '__complete';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/**
 * A script for each shell. All of them ask the command for what can stand at a place, so that the
 * three agree and stay right after an upgrade. None of them writes to the terminal.
 */
export const SCRIPTS: Readonly<Record<Shell, string>> = {
  // Works in bash 3.2 (macOS) and without the package bash-completion. readline splits words at = and :,
  // so they are joined again, and what is before the last one is cut from the answers.
  bash: `# bash completion of federate
#   source <(federate completion bash)
#   federate completion bash > /etc/bash_completion.d/federate
_federate() {
  local rest=$COMP_LINE word current kind value _help cut='' out i
  local -a words
  words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i > 0)) && [[ $rest != [[:space:]]* ]]; then
      words[\${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    rest=\${rest#"\${rest%%[![:space:]]*}"}
    rest=\${rest#"$word"}
  done
  current=\${words[\${#words[@]} - 1]}
  COMPREPLY=()
  out=$("\${words[0]}" ${COMPLETE_VERB} "\${words[@]:1}" 2>/dev/null </dev/null) || return 0
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
    cut=\${current%"\${current##*:}"}
  elif [[ $current == *=* && $COMP_WORDBREAKS == *=* ]]; then
    cut=\${current%"\${current##*=}"}
  fi
  kind=''
  while IFS=$'\\t' read -r value _help; do
    if [[ -z $kind ]]; then
      kind=$value
    else
      COMPREPLY+=("\${value#"$cut"}")
    fi
  done <<<"$out"
  if [[ $kind == files ]]; then
    if type compopt >/dev/null 2>&1; then
      compopt -o default 2>/dev/null
    else
      while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "\${current##*=}")
    fi
  fi
  return 0
}
complete -F _federate federate
`,
  zsh: `#compdef federate
# zsh completion of federate
#   source <(federate completion zsh)
#   federate completion zsh > "\${fpath[1]}/_federate"
_federate() {
  local out line
  local -a lines entries
  out=$("\${(Q)words[1]}" ${COMPLETE_VERB} "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null) || return 1
  lines=("\${(@f)out}")
  if [[ $lines[1] == files ]]; then
    [[ $PREFIX == --*=* ]] && compset -P '*='
    _files
    return
  fi
  for line in "\${(@)lines[2,-1]}"; do
    entries+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe 'federate' entries
}
if [[ $funcstack[1] == _federate ]]; then
  _federate "$@"
else
  compdef _federate federate
fi
`,
  fish: `# fish completion of federate
#   federate completion fish | source
#   federate completion fish > ~/.config/fish/completions/federate.fish
function __federate_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -e words[1]
    set -l out (command federate ${COMPLETE_VERB} $words "$current" 2>/dev/null </dev/null)
    or return
    if test "$out[1]" = files
        set -l before (string match -r -- '^--[^=]*=' "$current")
        for path in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current"))
            echo -- "$before$path"
        end
        return
    end
    set -e out[1]
    printf '%s\\n' $out
end
complete -c federate -f -a '(__federate_complete)'
`,
};

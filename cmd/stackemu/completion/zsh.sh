#compdef stackemu
# zsh completion for stackemu
_stackemu() {
  local -a found asked
  asked=("${(@)words[1,CURRENT-1]}")
  [[ ${words[CURRENT]} == -* ]] && asked+=("${words[CURRENT]}")
  found=("${(@f)$("${asked[@]}" --generate-bash-completion 2>/dev/null)}")
  if [[ -n ${found[1]} ]]; then
    _describe stackemu found
  else
    _files
  fi
}
compdef _stackemu stackemu

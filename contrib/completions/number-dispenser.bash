# bash completion for number-dispenser

_number_dispenser() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local word words subcommand=serve
  # bash splits "--option=value" into three words.
  if [[ $current == '=' ]]; then
    current=
  elif [[ $previous == '=' ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in serve | check | dump) subcommand=$word ;; esac
  done

  COMPREPLY=()
  case $previous in
    --data | --run)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --config | --aclfile)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --addr | --threads | --requirepass | --maxclients | --maxmemory-clients) return ;;
    --client-output-buffer-limit | --timeout | --tcp-keepalive | --unixsocketperm) return ;;
    --unixsocket-group) mapfile -t COMPREPLY < <(compgen -g -- "$current") && return ;;
    --log-level) words='debug info warn error' ;;
    --log-format) words='text json journal' ;;
    --protected-mode) words='yes no' ;;
    *)
      words='--data --run --config --help'
      case $subcommand in
        dump) words+=' --json' ;;
        serve)
          words+=' --addr --threads --log-level --log-format --requirepass --aclfile --protected-mode
            --maxclients --maxmemory-clients --client-output-buffer-limit --timeout --tcp-keepalive
            --unixsocketperm --unixsocket-group --check-config --version'
          [[ $COMP_CWORD -eq 1 && $current != -* ]] && words='serve check dump'
          ;;
      esac
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _number_dispenser number-dispenser

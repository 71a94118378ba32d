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
    --data | --run | --tls-ca-cert-dir)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --config | --aclfile | --tls-cert-file | --tls-key-file | --tls-ca-cert-file)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --addr | --threads | --requirepass | --tls-port | --tls-key-file-pass | --tls-ciphers | --tls-ciphersuites) return ;;
    --log-level) words='debug info warn error' ;;
    --log-format) words='text json journal' ;;
    --protected-mode | --tls-prefer-server-ciphers) words='yes no' ;;
    --tls-auth-clients) words='no optional yes' ;;
    --tls-protocols) words='TLSv1.2 TLSv1.3' ;;
    *)
      words='--data --run --config --help'
      case $subcommand in
        dump) words+=' --json' ;;
        serve)
          words+=' --addr --threads --log-level --log-format --requirepass --aclfile --protected-mode
            --tls-port --tls-cert-file --tls-key-file --tls-key-file-pass --tls-ca-cert-file --tls-ca-cert-dir
            --tls-auth-clients --tls-protocols --tls-ciphers --tls-ciphersuites --tls-prefer-server-ciphers
            --check-config --version'
          [[ $COMP_CWORD -eq 1 && $current != -* ]] && words='serve check dump'
          ;;
      esac
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _number_dispenser number-dispenser

# fish completion for number-dispenser

set -l subcommands serve check dump
set -l serving "not __fish_seen_subcommand_from check dump"

complete -c number-dispenser -f
complete -c number-dispenser -n "not __fish_seen_subcommand_from $subcommands" -a serve -d "Run the server"
complete -c number-dispenser -n "not __fish_seen_subcommand_from $subcommands" -a check -d "Verify a state file"
complete -c number-dispenser -n "not __fish_seen_subcommand_from $subcommands" -a dump -d "Print the dispensers"

complete -c number-dispenser -l data -x -a "(__fish_complete_directories)" -d "Folder of the state file"
complete -c number-dispenser -l run -x -a "(__fish_complete_directories)" -d "tmpfs folder for the live counters"
complete -c number-dispenser -l config -r -F -d "YAML configuration"
complete -c number-dispenser -l help -d "Show the options"

complete -c number-dispenser -n "$serving" -l addr -x -d "HOST:PORT or unix:PATH to listen on"
complete -c number-dispenser -n "$serving" -l threads -x -d "io_uring loops"
complete -c number-dispenser -n "$serving" -l log-level -x -a "debug info warn error" -d "Least severe lines to log"
complete -c number-dispenser -n "$serving" -l log-format -x -a "text json journal" -d "Form of a log line"
complete -c number-dispenser -n "$serving" -l requirepass -x -d "Password that clients send"
complete -c number-dispenser -n "$serving" -l aclfile -r -d "Users and what they may do"
complete -c number-dispenser -n "$serving" -l protected-mode -x -a "yes no" -d "Without a password, serve loopback only"
complete -c number-dispenser -n "$serving" -l tls-port -x -d "Port for TLS"
complete -c number-dispenser -n "$serving" -l tls-cert-file -r -F -d "Certificate, PEM"
complete -c number-dispenser -n "$serving" -l tls-key-file -r -F -d "Private key, PEM"
complete -c number-dispenser -n "$serving" -l tls-key-file-pass -x -d "Password of the key"
complete -c number-dispenser -n "$serving" -l tls-ca-cert-file -r -F -d "Authorities of client certificates"
complete -c number-dispenser -n "$serving" -l tls-ca-cert-dir -x -a "(__fish_complete_directories)" -d "The same as a folder"
complete -c number-dispenser -n "$serving" -l tls-auth-clients -x -a "no optional yes" -d "Who must show a certificate"
complete -c number-dispenser -n "$serving" -l tls-protocols -x -a "TLSv1.2 TLSv1.3" -d "Versions of TLS"
complete -c number-dispenser -n "$serving" -l tls-ciphers -x -d "Ciphers of TLS 1.2"
complete -c number-dispenser -n "$serving" -l tls-ciphersuites -x -d "Ciphers of TLS 1.3"
complete -c number-dispenser -n "$serving" -l tls-prefer-server-ciphers -x -a "yes no" -d "The server chooses the cipher"
complete -c number-dispenser -n "$serving" -l check-config -d "Report the first mistake and start nothing"
complete -c number-dispenser -n "$serving" -l version -d "Print the version"

complete -c number-dispenser -n "__fish_seen_subcommand_from dump" -l json -d "Print JSON"

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
complete -c number-dispenser -n "$serving" -l maxclients -x -d "Clients at a time"
complete -c number-dispenser -n "$serving" -l maxmemory-clients -x -d "Memory of all clients"
complete -c number-dispenser -n "$serving" -l client-output-buffer-limit -x -d "Output that may wait"
complete -c number-dispenser -n "$serving" -l timeout -x -d "Disconnect idle clients after"
complete -c number-dispenser -n "$serving" -l tcp-keepalive -x -d "Ask silent clients after"
complete -c number-dispenser -n "$serving" -l unixsocketperm -x -d "Mode of Unix sockets"
complete -c number-dispenser -n "$serving" -l unixsocket-group -x -a "(__fish_complete_groups)" -d "Group of Unix sockets"
complete -c number-dispenser -n "$serving" -l check-config -d "Report the first mistake and start nothing"
complete -c number-dispenser -n "$serving" -l version -d "Print the version"

complete -c number-dispenser -n "__fish_seen_subcommand_from dump" -l json -d "Print JSON"

// Every handler, for the table. A handler starts with the right number of words and the right to run.
#pragma once

#include "number_dispenser/command/command.h"

namespace number_dispenser::handlers {

// dispenser_commands.cc
Next hset(Call& call);
Next get(Call& call);
Next del(Call& call);
Next exists(Call& call);
Next type(Call& call);
Next info_of_dispenser(Call& call);

// connection_commands.cc
Next ping(Call& call);
Next echo(Call& call);
Next quit(Call& call);
Next select(Call& call);
Next auth(Call& call);
Next hello(Call& call);
Next client(Call& call);
Next multi(Call& call);
Next exec(Call& call);
Next discard(Call& call);

// server_commands.cc
Next command(Call& call);
Next config(Call& call);
Next info(Call& call);
Next dbsize(Call& call);

}  // namespace number_dispenser::handlers

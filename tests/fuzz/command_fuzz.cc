// Any bytes from three clients to the whole command layer: every request has one well-formed reply
// in its client's protocol, the numbers are those that NumberLedger expects, none is past its
// durable bound without being held, and nobody makes the server keep much.
//
// The first byte chooses the server (bit 0: few slots, bit 1: a password). Then bytes go to client
// 0; 0xff and one of these is not part of them:
//   0 1 2  go on with that client         s  what waits for a flush becomes durable
//   !      the client's connection ends   t  600 ms pass        x  the state file fails
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "command_server.h"
#include "number_dispenser/base/check.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/resp/decoder.h"
#include "number_ledger.h"
#include "strict_reply.h"

namespace number_dispenser::fuzz {
namespace {

constexpr size_t kMostReplyBytes = 16 * 1024 * 1024;
constexpr uint64_t kLongestPenaltyMs = LoginGuard::kLongestPenaltyMs;
constexpr int kMostTries = 16;  // a transaction may wait for several logins

class Players {
 public:
  explicit Players(uint8_t choice) : server_((choice & 1) != 0 ? 2 : 16) {
    if ((choice & 2) != 0) server_.context.acl.set_default_password("p");
    for (Player& player : players_) player.connect(server_.context);
  }

  void act(char action) {
    if (action >= '0' && action < '3') now_ = &players_[static_cast<size_t>(action - '0')];
    if (action == '!') now_->connect(server_.context);
    if (action == 's') settle();
    if (action == 'x') server_.registry.stop_issuing();
    if (action != 't') return;
    server_.clock.advance_ms(600);
    server_.registry.sweep();
    settle();
  }

  void receive(std::string_view bytes) {
    Player& player = *now_;
    player.input += bytes;
    std::vector<std::string_view> request;
    for (;;) {
      player.decoder.limits().authenticated = player.client->session.authenticated();
      const auto outcome = player.decoder.decode(player.input, request);
      if (outcome == RequestDecoder::Outcome::kRequest && handle(player, request)) {
        player.input.erase(0, player.decoder.consumed());
        continue;
      }
      if (outcome == RequestDecoder::Outcome::kNeedMore)
        player.input.erase(0, player.decoder.consumed());
      else
        player.connect(server_.context);
      return;
    }
  }

 private:
  using Words = std::vector<std::string_view>;

  struct Player {
    void connect(CommandContext& context) {
      client = std::make_unique<testing_support::CommandServer::Client>(context);
      decoder = RequestDecoder();
      input.clear();
      queued.clear();
    }
    std::unique_ptr<testing_support::CommandServer::Client> client;
    RequestDecoder decoder;
    std::string input;
    std::vector<std::vector<std::string>> queued;  // in the transaction
  };

  void settle() {
    // After a failed flush there is no other.
    if (server_.registry.issuing()) server_.settle();
    server_.store.take_written();
  }

  // Until a pause or the penalty of a failed login is over.
  void let_time_pass(uint64_t until_ns) {
    server_.context.pause.end();
    const uint64_t now_ns = server_.clock.monotonic_ns();
    if (until_ns > now_ns && until_ns != UINT64_MAX)
      server_.clock.advance_ms(std::min((until_ns - now_ns) / 1'000'000, kLongestPenaltyMs) + 1);
  }

  static bool answers(const Player& player, Next next) {
    return next != Next::kClose && player.client->session.replies() == ClientSession::Replies::kOn;
  }

  // False: the connection closes.
  bool handle(Player& player, const Words& words) {
    Next next = player.client->send(words);
    for (int tries = 0; next == Next::kRetry && tries < kMostTries; ++tries) {
      let_time_pass(player.client->session.take_retry_ns());
      // Room comes from deletions that settle; where there is none, growth fails.
      settle();
      server_.registry.refuse_new(tries > 0);
      next = player.client->send(words);
      server_.registry.refuse_new(false);
    }
    ND_CHECK(next != Next::kRetry, "neither done nor refused");
    check_gate(player, words);
    const std::string reply = player.client->sink.take();
    if (!reply.empty() || answers(player, next)) check_reply(player, words, reply);
    if (!player.client->session.in_transaction()) player.queued.clear();
    // What a client draws that wants no replies, the ledger would miss.
    const bool muted = player.client->session.replies() != ClientSession::Replies::kOn;
    return next == Next::kContinue && !muted;
  }

  void check_reply(Player& player, const Words& words, std::string_view bytes) {
    ND_CHECK(bytes.size() <= kMostReplyBytes, "{} bytes", bytes.size());
    const Command* command = resolve_command(words);
    const bool exec = command != nullptr && command->name == "exec";
    std::string_view rest = bytes;
    const auto reply = read_strictly(rest, player.client->session.protocol(), !exec);
    ND_CHECK(reply && rest.empty(), "malformed: {}", bytes);
    if (reply->type == '+' && reply->text == "QUEUED") {
      player.queued.emplace_back(words.begin(), words.end());
    } else if (exec && !reply->is_error()) {
      ND_CHECK(reply->items.size() == player.queued.size(), "{} replies", reply->items.size());
      for (size_t at = 0; at < player.queued.size(); ++at) {
        const auto& text = player.queued[at];
        ledger_.account(Words(text.begin(), text.end()), reply->items[at]);
      }
    } else {
      ledger_.account(words, *reply);
    }
  }

  // What a draw has just answered is durable or held.
  void check_gate(Player& player, const Words& words) {
    const std::string_view reply = player.client->sink.bytes().view();
    const Command* command = resolve_command(words);
    if (command == nullptr || command->group != "string") return;
    if (!reply.starts_with('$') && !reply.starts_with(':')) return;
    const Cell& cell = *server_.view->find(words[1]);
    const uint64_t next = cell.next->load();
    const uint64_t bound = cell.durable_bound.load();
    ND_CHECK(next <= bound || player.client->sink.held(), "{} leaves at the bound {}", next, bound);
  }

  testing_support::CommandServer server_;
  std::array<Player, 3> players_;
  Player* now_ = &players_[0];
  NumberLedger ledger_;
};

void play(std::string_view bytes) {
  Players players(static_cast<uint8_t>(bytes[0]));
  bytes.remove_prefix(1);
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find('\xff'), bytes.size());
    players.receive(bytes.substr(0, end));
    bytes.remove_prefix(end);
    if (bytes.size() >= 2) players.act(bytes[1]);
    bytes.remove_prefix(std::min<size_t>(bytes.size(), 2));
  }
}

}  // namespace
}  // namespace number_dispenser::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace number_dispenser;
  set_log_level(LogLevel::kError);
  if (size > 0) fuzz::play({reinterpret_cast<const char*>(data), size});
  return 0;
}

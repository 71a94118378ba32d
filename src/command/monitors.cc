#include "number_dispenser/command/monitors.h"

#include <algorithm>
#include <utility>

namespace number_dispenser {

void Monitors::join(Mailbox& mailbox) {
  const std::lock_guard lock(mutex_);
  mailbox = {};
  mailboxes_.push_back(&mailbox);
  any_.store(true);
}

void Monitors::leave(Mailbox& mailbox) {
  const std::lock_guard lock(mutex_);
  std::erase(mailboxes_, &mailbox);
  any_.store(!mailboxes_.empty());
}

void Monitors::tell(std::string_view line) {
  const std::lock_guard lock(mutex_);
  for (Mailbox* mailbox : mailboxes_) {
    if (mailbox->overflown) continue;
    mailbox->overflown = mailbox->lines.size() + line.size() > kMailboxBytes;
    if (mailbox->overflown)
      std::string().swap(mailbox->lines);
    else
      mailbox->lines += line;
  }
}

std::optional<std::string> Monitors::take(Mailbox& mailbox, bool room) {
  const std::lock_guard lock(mutex_);
  if (mailbox.overflown) return std::nullopt;
  return room ? std::exchange(mailbox.lines, {}) : std::string();
}

}  // namespace number_dispenser

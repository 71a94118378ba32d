#include "number_dispenser/command/monitors.h"

#include <algorithm>
#include <utility>

namespace number_dispenser {

void Monitors::join(Mailbox& mailbox) {
  const std::lock_guard lock(mutex_);
  mailbox.overflown = false;
  mailboxes_.push_back(&mailbox);
  any_.store(true);
}

void Monitors::leave(Mailbox& mailbox) {
  const std::lock_guard lock(mutex_);
  std::erase(mailboxes_, &mailbox);
  mailbox.clear();
  any_.store(!mailboxes_.empty());
}

void Monitors::tell(std::string_view line) {
  const std::lock_guard lock(mutex_);
  for (Mailbox* mailbox : mailboxes_) {
    if (mailbox->overflown) continue;
    mailbox->overflown = mailbox->lines.size() + line.size() > kMailboxBytes;
    if (mailbox->overflown) {
      mailbox->clear();
      continue;
    }
    mailbox->lines += line;
    mailbox->room_bytes.store(mailbox->lines.capacity(), std::memory_order_relaxed);
  }
}

std::optional<std::string> Monitors::take(Mailbox& mailbox, bool room) {
  const std::lock_guard lock(mutex_);
  if (mailbox.overflown) return std::nullopt;
  if (!room) return std::string();
  std::string lines = std::move(mailbox.lines);
  mailbox.clear();
  return lines;
}

}  // namespace number_dispenser

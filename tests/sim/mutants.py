"""Bugs that could have been: each is one replacement in the source, and the simulator has to find it.

`old` occurs exactly once in `file`. run_mutants builds and tries them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str


MUTANTS = [
    # The gate.
    Mutant('a raised bound counts before its flush has ended', 'src/dispenser/registry_bounds.cc',
           '  write(slot, bound, next, now_ns);\n',
           '  write(slot, bound, next, now_ns);\n  e.durable = bound;\n  publish(e);\n'),
    Mutant('the gate lets the number at the bound through', 'src/net/connection.cc',
           'held.bound->load() > held.ordinal', 'held.bound->load() >= held.ordinal'),
    Mutant('the draw does not hold the number at the bound', 'src/command/draw_commands.cc',
           'if (ordinal >= bound) call.sink', 'if (ordinal > bound) call.sink'),
    Mutant('INCRBY is held for its first number, not its last', 'src/command/draw_commands.cc',
           'hold_until_durable(call, *drawn->cell, last);',
           'hold_until_durable(call, *drawn->cell, drawn->ordinal);'),
    Mutant('the last hold of a connection counts, not the first', 'src/net/connection.cc',
           'out_offset_ + out_.size() : held_.front().offset;',
           'out_offset_ + out_.size() : held_.back().offset;'),
    Mutant('a retraction lowers the bound in memory after writing it',
           'src/dispenser/registry_bounds.cc',
           '      e.cell.durable_bound.store(std::min(next, e.cell.durable_bound.load()));\n', '      {}\n'),
    Mutant('a retraction may raise the bound in memory', 'src/dispenser/registry_bounds.cc',
           'e.cell.durable_bound.store(std::min(next, e.cell.durable_bound.load()));',
           'e.cell.durable_bound.store(next);'),
    # Flushes that fail.
    Mutant('a failed flush is tried again', 'src/net/keeper.cc',
           '  if (completion.result < 0) return fail(-completion.result);\n  registry_.end_flush();',
           '  if (completion.result < 0) {\n    flushing_ = true;\n'
           '    return storage_.start_flush(flush_);\n  }\n  registry_.end_flush();'),
    Mutant('a failed flush is taken for a good one', 'src/net/keeper.cc',
           '  if (completion.result < 0) return fail(-completion.result);\n  registry_.end_flush();',
           '  registry_.end_flush();'),
    Mutant('a flush is believed after a growth has failed', 'src/net/keeper.cc',
           '  if (failed()) return;\n  if (completion.result < 0)', '  if (completion.result < 0)'),
    Mutant('a start does not write again what a failed flush has left', 'src/state/state_file.cc',
           '  if (found->header.clean == 0) file->touch_every_page();\n', ''),
    # Definitions.
    Mutant('HSET is answered before its flush', 'src/command/definition_commands.cc',
           '      call.sink.hold_until_past(call.client.registry().settled(), change.change);\n', ''),
    Mutant('DEL is answered before its flush', 'src/command/definition_commands.cc',
           '  call.sink.hold_until_past(registry.settled(), last_change);\n', ''),
    Mutant('a definition is answered after the first of its two flushes',
           'src/dispenser/registry.cc',
           '    if (entries_[slot].state == State::kCreating) pended_.push_back(slot);\n',
           '    if (entries_[slot].state == State::kCreating) {\n      pended_.push_back(slot);\n'
           '      mark_durable(entries_[slot].create_change);\n    }\n'),
    Mutant('a definition is live in its first flush', 'src/state/state_file.cc',
           'descriptor.state = SlotState::kPending;', 'descriptor.state = SlotState::kLive;'),
    Mutant('a change is answered before every loop knows of it',
           'src/dispenser/registry_bounds.cc',
           'changes_.front().durable && changes_.front().log_end <= adopted)',
           'changes_.front().durable && adopted + 1 > 0)'),
    Mutant('a slot is used again before its tombstone is durable',
           'src/dispenser/registry_bounds.cc',
           'if (change.what != LogEntry::What::kRetire) continue;',
           'if (change.what != LogEntry::What::kRemove) continue;'),
    Mutant('a new tenant finds the last one\'s live counter', 'src/state/state_file.cc',
           '  live_slot(slot).next = 0;\n', ''),
    # The state file and recovery.
    Mutant('the second copy of a bound is not written', 'src/state/state_file.cc',
           '  std::memcpy(storage_.data() + layout::bound_offset(slot, 1), &bytes, sizeof bytes);\n',
           ''),
    Mutant('recovery takes the position for the bound', 'src/state/scan.cc',
           '  return {record.bound, record.bound, record.wasted + (record.bound - record.position),',
           '  return {record.position, record.position, record.wasted,'),
    Mutant('recovery does not count what it skips', 'src/state/scan.cc',
           'record.wasted + (record.bound - record.position)', 'record.wasted'),
    Mutant('live counters of another run are trusted', 'src/state/state_file.cc',
           '  const auto previous = live.open_previous(id, last_epoch);\n'
           '  const bool same_run = run_of(previous) == found->header.run;\n',
           '  auto previous = live.open_previous(id, last_epoch);\n'
           '  for (uint64_t epoch = last_epoch + 50; previous.empty() && epoch > last_epoch + 1; --epoch)\n'
           '    previous = live.open_previous(id, epoch);\n'
           '  const bool same_run = true;\n'),
    Mutant('a file older than its counters goes on at its bound', 'src/state/state_file.cc',
           'const bool is_copy = is_older(tenant, live);', 'const bool is_copy = false;'),
    Mutant('live counters are not looked for', 'src/state/state_file.cc',
           'clean ? nullptr : find_live(previous, tenant)', 'nullptr'),
    Mutant('the mark of a clean stop stays while the server runs', 'src/state/state_file.cc',
           '  file->header_.clean = 0;\n', ''),
    Mutant('the epoch does not move', 'src/state/state_file.cc',
           'file->header_.epoch = last_epoch + 1;',
           'file->header_.epoch = std::max<uint64_t>(last_epoch, 1);'),
    Mutant('a restored older file is not noticed', 'src/state/state_file.cc',
           'if (live.newer_exists(id, last_epoch))', 'if (false)'),
    Mutant('growth gives out the last slot before it once more', 'src/state/state_file.cc',
           'const auto first = static_cast<uint32_t>(header_.extents * layout::kSlotsPerExtent);',
           'const auto first = static_cast<uint32_t>(\n'
           '      header_.extents == 0 ? 0 : header_.extents * layout::kSlotsPerExtent - 1);'),
    Mutant('growth is not written into the header', 'src/state/state_file.cc',
           '  header_.extents = extents;\n  write_header();\n', '  header_.extents = extents;\n'),
    Mutant('a file that a killed process has grown is grown once more', 'src/net/keeper.cc',
           'if (storage_.size() >= state_.growth_bytes()) {', 'if (false) {'),
    # The waste budget.
    Mutant('the budget ignores past waste', 'src/dispenser/bound.cc',
           'std::min(budget - wasted, use_in_window(usage))',
           'std::min(budget, use_in_window(usage))'),
    Mutant('an idle dispenser keeps its window', 'src/dispenser/registry.cc',
           'constexpr uint8_t kIdleSweeps = 2;', 'constexpr uint8_t kIdleSweeps = 200;'),
    Mutant('one number past the last is issued', 'include/number_dispenser/dispenser/cell.h',
           'if (first >= capacity || count > capacity - first) return std::nullopt;',
           'if (first > capacity || count > capacity - first + 1) return std::nullopt;'),
    # Connections and loops.
    Mutant('a receive is armed again by its result, not by its end', 'src/net/connection_input.cc',
           'if (!completion.more) receiving_ = cancelling_ = false;',
           'if (completion.result <= 0) receiving_ = cancelling_ = false;'),
    Mutant('a receive without a free buffer ends the connection', 'src/net/connection_input.cc',
           'completion.result == -ENOBUFS', 'completion.result == -ENOSPC'),
    Mutant('a connection is closed with its send in flight', 'src/net/connection.cc',
           'if (!aborted_ || receiving_ || send_in_flight_ || closed_) return;',
           'if (!aborted_ || receiving_ || closed_) return;'),
    Mutant('a short send is taken for a whole one', 'src/net/connection.cc',
           'sending_.consume(static_cast<size_t>(completion.result));',
           'sending_.consume(sending_.size());'),
    Mutant('a second send starts while one is in flight', 'src/net/connection.cc',
           'if (send_in_flight_ || aborted_) return;', 'if (aborted_) return;'),
    Mutant('input that waited behind a pause is not taken up again', 'src/net/connection.cc',
           '    resume_input();\n', ''),
    Mutant('a loop that waits for a flush is not woken when it ends', 'src/net/loop.cc',
           'const bool progressed = (settled || moved || spoken) && other->has_waiting_.load();',
           'const bool progressed = (settled || spoken) && other->has_waiting_.load();'),
    Mutant('the keeper is not woken for another loop\'s work', 'src/net/loop.cc',
           'if (defined || for_keeper || progressed) wake(*other);',
           'if (defined || progressed) wake(*other);'),
    Mutant('accepting ends with its first error', 'src/net/listener.cc',
           'if (accepting_ || stopping_ || loops_.front()->now_ns() < retry_ns_) return;',
           'if (accepting_ || stopping_ || retry_ns_ != 0) return;'),
]

#include "machine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "state_bytes.h"

namespace number_dispenser::testing_support {
Machine::Machine(uint64_t seed) : random(seed), storage(small_file(random)) {
  start();
}

Machine::~Machine() = default;

void Machine::start() {
  ND_CHECK(!running(), "a process runs already");
  auto opened = StateFile::open(storage, live, clock, "memory");
  ND_CHECK(opened.has_value(), "{}", opened.error().message);
  state_ = std::move(*opened);
  registry_ = std::make_unique<Registry>(*state_, clock);
  view_ = registry_->make_view();
  by_name_.clear();
  for (Tenancy& tenancy : tenancies_)
    if (!tenancy.gone) check_recovered(tenancy);
  EXPECT_EQ(registry_->size(), by_name_.size()) << "recovery found what nobody had defined";
}

// Clients learn of the end: what they had asked for may or may not have happened.
void Machine::end_process(End how) {
  last_end_ = how;
  for (const Held& held : held_) ++held.tenancy->lost;
  held_.clear();
  answers_.clear();
  view_.reset();
  registry_.reset();
  state_.reset();
  storage.forget_operations();
}

void Machine::stop() {
  if (storage.flushing()) end_flush();
  settle();
  EXPECT_TRUE(held_.empty()) << held_.size() << " replies never left";
  registry_->close();
  const auto closed = state_->close();
  ND_CHECK(closed.has_value(), "{}", closed.error().message);
  end_process(End::kStop);
}

void Machine::kill() {
  end_process(End::kKill);
}

void Machine::cut_power() {
  if (random.chance(25)) tear_a_record();
  storage.cut_power(random);
  end_process(End::kPowerCut);
  live.lose();
}

// One record is caught half written: the other copy had not begun to change.
void Machine::tear_a_record() {
  std::vector<uint32_t> changed;
  const auto& durable = storage.durable();
  const std::byte* memory = storage.data();
  const auto differs = [&](uint64_t at) {
    return !std::equal(memory + at, memory + at + layout::kBoundBytes, durable.data() + at);
  };
  for (uint32_t slot = 0; slot < layout::kSlotsPerExtent; ++slot)
    if (differs(layout::bound_offset(slot, 0)) && differs(layout::bound_offset(slot, 1)))
      changed.push_back(slot);
  if (changed.empty()) return;
  const uint32_t slot = changed[random.below(changed.size())];
  // Old bytes at the end of copy one, and all of copy two as it was: no sector lottery brings them
  // back.
  const uint64_t one = layout::bound_offset(slot, 0);
  const uint64_t two = layout::bound_offset(slot, 1);
  const uint64_t kept = 8 * random.below(layout::kBoundBytes / 8);
  std::copy(durable.data() + one + kept, durable.data() + one + layout::kBoundBytes,
            storage.data() + one + kept);
  std::copy(durable.data() + two, durable.data() + two + layout::kBoundBytes, storage.data() + two);
}

void Machine::check_recovered(Tenancy& t) {
  const auto found = registry_->info(t.name);
  const bool present = found && found->definition == t.definition;
  SCOPED_TRACE(t.name);
  if (!present) {
    EXPECT_TRUE(!t.created || t.removing) << "an acknowledged definition is lost";
    t.gone = true;
    return;
  }
  EXPECT_TRUE(found->strategy == t.strategy || std::ranges::count(t.wanted, found->strategy) > 0)
      << strategy_of(found->strategy).name;
  by_name_[t.name] = &t;
  t.strategy = found->strategy;
  t.wanted.clear();
  t.created = true;
  t.removing = false;
  check_figures(t, *found);
  t.wasted = found->wasted;
  t.next = found->next;
}

void Machine::check_figures(Tenancy& t, const Registry::Info& found) {
  const Strategy& strategy = strategy_of(t.strategy);
  if (!strategy.durable) {
    EXPECT_EQ(found.next, 0U);
    EXPECT_EQ(found.wasted, 0U);
    t.released.clear();
    t.released_count = t.lost = 0;
    return;
  }
  if (t.definition.kind == Kind::kRandom) return;
  EXPECT_GE(found.next, t.released.size()) << "would issue a number again";
  ASSERT_GE(found.wasted, t.wasted);
  ASSERT_LE(found.wasted, found.next);
  const uint64_t added = found.wasted - t.wasted;
  const uint64_t generated = found.next - found.wasted;
  if (added > 0) {
    EXPECT_LE(found.wasted * strategy.generated_per_waste, generated) << "over the budget";
    EXPECT_GT(strategy.generated_per_waste, 0U) << added << " wasted without a budget";
  }
  // What no client has is either shown as waste or was on its way.
  EXPECT_LE(found.next - t.released_count, found.wasted + t.lost);
  if (last_end_ != End::kPowerCut) {
    EXPECT_EQ(added, 0U);
    EXPECT_LE(found.next, t.next);
  }
  if (last_end_ == End::kStop) EXPECT_EQ(found.next, t.next);
}

bool Machine::begin_flush() {
  if (!registry_->begin_flush()) return false;
  storage.start_flush(flush_);
  // Loops look at what they hold at any moment, also at this one.
  take_replies();
  return true;
}

void Machine::end_flush() {
  storage.end_flush();
  registry_->end_flush();
}

void Machine::tick() {
  registry_->adopt(*view_);
  if (!storage.flushing() && registry_->has_work()) begin_flush();
  if (storage.flushing()) end_flush();
  take_replies();
  registry_->announce(*view_);
}

void Machine::settle() {
  // A definition takes two flushes, a retired slot one tick more.
  for (int ticks = 0; ticks < 64; ++ticks) {
    const bool work = registry_->has_work() || storage.flushing();
    tick();
    if (!work && answers_.empty() && held_.empty()) return;
  }
  ADD_FAILURE() << answers_.size() << " changes and " << held_.size() << " replies never settle";
}

void Machine::idle_ms(uint64_t ms) {
  for (uint64_t passed = 0; passed < ms; passed += Registry::kSweepMs) {
    clock.advance_ms(std::min<uint64_t>(Registry::kSweepMs, ms - passed));
    if (registry_->sweeping()) registry_->sweep();
    settle();
  }
}

bool Machine::define(const std::string& name, Definition definition, StrategyId strategy) {
  const auto change = registry_->define(*view_, name, definition, strategy);
  if (change.outcome != Registry::Outcome::kDone) return false;
  tenancies_.push_back({name, definition, strategy});
  by_name_[name] = &tenancies_.back();
  answers_.push_back({change.change, &tenancies_.back(), Answer::To::kCreation});
  return true;
}

void Machine::switch_strategy(const std::string& name, StrategyId strategy) {
  Tenancy* t = tenancy(name);
  const auto change = registry_->switch_strategy(name, strategy);
  ASSERT_EQ(change.outcome, Registry::Outcome::kDone);
  t->wanted.push_back(strategy);
  answers_.push_back({change.change, t, Answer::To::kSwitch, strategy});
}

void Machine::remove(const std::string& name) {
  Tenancy* t = tenancy(name);
  const auto change = registry_->remove(*view_, name);
  ASSERT_EQ(change.outcome, Registry::Outcome::kDone);
  t->removing = true;
  by_name_.erase(name);
  answers_.push_back({change.change, t, Answer::To::kRemoval});
}

std::optional<uint64_t> Machine::draw(const std::string& name) {
  Cell* cell = view_->find(name);
  if (cell == nullptr) return std::nullopt;
  const auto ordinal = cell->draw(1);
  if (!ordinal) return std::nullopt;
  Tenancy* t = tenancy(name);
  EXPECT_GE(*ordinal, t->next) << "out of order";
  t->next = *ordinal + 1;
  const uint64_t bound = cell->durable_bound.load();
  if (*ordinal >= cell->raise_at.load() || *ordinal >= bound) registry_->want_raise(*cell);
  const Held held{t, &cell->durable_bound, *ordinal};
  if (*ordinal < bound)
    release(held);
  else
    held_.push_back(held);
  return ordinal;
}

void Machine::draw_and_settle(const std::string& name, uint64_t count) {
  for (uint64_t done = 0; done < count; ++done) {
    ASSERT_TRUE(draw(name));
    settle();
  }
}

void Machine::release(const Held& held) {
  Tenancy& t = *held.tenancy;
  if (t.released.size() <= held.ordinal) t.released.resize(held.ordinal + 1);
  EXPECT_FALSE(t.released[held.ordinal]) << t.name << " issued " << held.ordinal << " twice";
  t.released[held.ordinal] = true;
  ++t.released_count;
}

void Machine::take_replies() {
  std::erase_if(held_, [&](const Held& held) {
    if (held.bound->load() <= held.ordinal) return false;
    release(held);
    return true;
  });
  std::erase_if(answers_, [&](const Answer& answer) {
    if (registry_->settled().load() <= answer.change) return false;
    Tenancy& t = *answer.tenancy;
    if (answer.to == Answer::To::kCreation) t.created = true;
    if (answer.to == Answer::To::kRemoval) t.gone = true;
    if (answer.to == Answer::To::kSwitch) {
      t.strategy = answer.strategy;
      t.wanted.erase(t.wanted.begin());
    }
    return true;
  });
}

Machine::Tenancy* Machine::tenancy(const std::string& name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

Registry::Info Machine::info(const std::string& name) {
  const auto found = registry_->info(name);
  ND_CHECK(found.has_value(), "no dispenser {}", name);
  return *found;
}

}  // namespace number_dispenser::testing_support

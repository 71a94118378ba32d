// What kind of machine, disk and clients a seed has.
#include "fresh_state.h"
#include "simulator.h"

namespace number_dispenser::sim {

// Each seed has troubles of its own, so that rare ones are not drowned by frequent ones.
void Simulator::choose_profile() {
  Rng& rng = world_.rng;
  const auto sometimes = [&](unsigned most) {
    return rng.chance(400) ? static_cast<unsigned>(rng.between(1, most)) : 0;
  };
  faults_.late_completion = sometimes(600);
  faults_.short_receive = sometimes(500);
  faults_.end_multishot = sometimes(300);
  faults_.no_buffers = sometimes(200);
  faults_.short_send = sometimes(600);
  faults_.interrupted = sometimes(100);
  faults_.accept_error = sometimes(400);
  faults_.connection_error = sometimes(4);
  faults_.slow_flush = sometimes(200);
  faults_.failed_flush = rng.chance(200) ? static_cast<unsigned>(rng.between(1, 15)) : 0;
  faults_.no_room = sometimes(1000);
  faults_.failed_growth = sometimes(500);
  faults_.write_back = sometimes(100);
  faults_.stalled_loop = sometimes(20);
  loops_ = static_cast<unsigned>(rng.between(1, 3));
  depth_ = static_cast<unsigned>(rng.chance(300) ? rng.between(20, 120) : rng.between(1, 12));

  // Mostly small files: growth is under way from the start, or there is no room for any.
  constexpr uint64_t kFirst[] = {0, 1, 1, 1, 8, 16};
  const uint64_t extents = kFirst[rng.below(std::size(kFirst))];
  if (extents == 1 && rng.chance(700)) faults_.no_room = 1000;
  // Often all but the last slots are taken.
  const bool crowded = extents == 1 && rng.coin();
  const auto taken = crowded ? layout::kSlotsPerExtent - rng.between(0, 5) : 0;
  if (crowded && rng.coin()) faults_.failed_flush = static_cast<unsigned>(rng.between(5, 60));
  disk_.put(fresh_state(rng, extents, static_cast<uint32_t>(taken)));

  const auto count = static_cast<unsigned>(rng.between(1, 7));
  for (unsigned id = 0; id < count; ++id) {
    std::vector<unsigned> owned;
    for (unsigned name = id; name < oracle_.names().size(); name += count) owned.push_back(name);
    clients_.push_back(std::make_unique<Client>(world_, net_, oracle_, id, std::move(owned)));
  }
  oracle_.allow_no_room(faults_.no_room != 0);
}

void Simulator::choose_habits() {
  Rng& rng = world_.rng;
  for (const auto& client : clients_) {
    Client::Habits habits;
    habits.depth = static_cast<unsigned>(rng.between(1, depth_));
    if (rng.chance(200)) habits.room = rng.between(1, 2000);
    if (rng.chance(100)) habits.reads = rng.coin() ? 0 : 50;
    if (rng.chance(200)) habits.resets = static_cast<unsigned>(rng.between(1, 20));
    if (rng.chance(200)) habits.half_closes = static_cast<unsigned>(rng.between(1, 20));
    if (rng.chance(200)) habits.quits = static_cast<unsigned>(rng.between(1, 20));
    habits.waits_for_changes = faults_.no_room != 0 || rng.coin();
    client->set_habits(habits);
  }
}

}  // namespace number_dispenser::sim

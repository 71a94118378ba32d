#include "cluster_client.h"

#include <utility>

namespace number_dispenser::sim {

void ClusterClient::act(const std::vector<std::string>& names, unsigned depth, unsigned draws) {
  Rng& rng = world_.rng;
  if (!socket_) socket_ = net_.connect();
  if (!socket_) return;
  if (pending_.size() < depth) ask(names[rng.below(names.size())], draws);
  if (rng.chance(3)) {
    world_.trace("client {}: resets", id_);
    socket_->reset = true;
    return forget();
  }
  move();
}

void ClusterClient::ask_each(const std::vector<std::string>& names) {
  if (!socket_) socket_ = net_.connect();
  if (!socket_) return;
  for (const std::string& name : names) ask_number(name, 1);
}

void ClusterClient::ask(const std::string& name, unsigned draws) {
  Rng& rng = world_.rng;
  // A dispenser that a node has brought stays as it is.
  if (name == "alone" || rng.chance(draws))
    return ask_number(name, rng.chance(100) ? rng.between(1, 1500) : rng.between(1, 30));
  const uint64_t chosen = rng.below(100);
  if (chosen < 40) return define(name);
  if (chosen < 75) {
    const auto strategy = static_cast<StrategyId>(rng.below(kStrategies.size()));
    return send({.what = ClusterRequest::What::kSwitch, .name = name, .strategy = strategy},
                fmt::format("HSET {} auto_disk {}", name, strategy_of(strategy).name));
  }
  send({.what = ClusterRequest::What::kRemove, .name = name}, "DEL " + name);
}

void ClusterClient::ask_number(const std::string& name, uint64_t count) {
  send({.what = ClusterRequest::What::kGet, .name = name, .count = count},
       count == 1 ? "GET " + name : fmt::format("INCRBY {} {}", name, count));
}

void ClusterClient::define(const std::string& name) {
  const auto earlier = oracle_.earlier_attempt(name);
  const size_t attempt =
      earlier && world_.rng.chance(300) ? *earlier : oracle_.attempt(name, log_.is_alone);
  const Attempt& wanted = oracle_.at(attempt);
  const Definition& of = wanted.definition;
  std::string line = fmt::format("HSET {} type {} auto_disk {}", name, static_cast<int>(of.kind),
                                 strategy_of(wanted.strategy).name);
  if (of.length != 0) line += fmt::format(" length {}", of.length);
  if (of.kind != Kind::kRandom) line += fmt::format(" starting {} step {}", of.starting, of.step);
  send({.what = ClusterRequest::What::kDefine, .name = name, .attempt = attempt}, line);
}

void ClusterClient::send(ClusterRequest request, const std::string& line) {
  oracle_.send(request);
  world_.trace("client {}: {}", id_, line);
  pending_.push_back(std::move(request));
  out_ += line + "\r\n";
}

void ClusterClient::move() {
  if (!socket_) return;
  if (!socket_->closed && !socket_->client_ended) socket_->to_server += std::exchange(out_, {});
  receive();
  if (!socket_ || !socket_->server_ended || !socket_->to_client.empty()) return;
  world_.trace("client {}: the server has hung up", id_);
  socket_->client_ended = true;
  forget();
}

void ClusterClient::receive() {
  in_ += std::exchange(socket_->to_client, {});
  Reply reply;
  size_t done = 0;
  size_t taken = 0;
  while (read_reply(std::string_view(in_).substr(done), reply, taken) == Read::kWhole) {
    done += taken;
    world_.trace("client {}: reads '{}{}'", id_, reply.is_error() ? "-" : "", reply.text);
    if (pending_.empty())
      return world_.violate("a reply that nobody has asked for: {}", reply.text);
    const ClusterRequest request = std::move(pending_.front());
    pending_.pop_front();
    oracle_.judge(request, reply, log_, tops_);
  }
  in_.erase(0, done);
}

void ClusterClient::forget() {
  socket_.reset();
  pending_.clear();
  out_.clear();
  in_.clear();
  tops_.clear();
}

void ClusterClient::server_died() {
  if (!socket_) return;
  receive();
  forget();
}

}  // namespace number_dispenser::sim

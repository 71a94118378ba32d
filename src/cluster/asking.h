// How the cluster asks etcd for one thing after the other: a step's request, whose failure is tried
// again later.
#pragma once

#include <string>
#include <utility>

#include "number_dispenser/base/log.h"
#include "number_dispenser/cluster/cluster.h"

namespace number_dispenser {

// Makes its transaction go through etcd's log, so that no member answers from what it had before.
inline etcd::Op get_by_log(std::string key) {
  return etcd::within({.then = {etcd::get(std::move(key))}});
}

template <class Then>
void Cluster::ask(etcd::Txn txn, Then then) {
  asking_ = true;
  transact(std::move(txn), [this, then](const etcd::Answer<etcd::TxnResult>& answer) {
    asking_ = false;
    if (step_ == Step::kFailed) return;
    if (answer) return (this->*then)(*answer);
    if (answer.error().kind == etcd::Failure::Kind::kCompacted) list_anew();
    try_again(answer.error());
  });
}

}  // namespace number_dispenser

#include "train/pulse.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <vector>

#include "core/check.h"
#include "core/log.h"
#include "core/machine.h"

namespace liere {
namespace {

constexpr const char* kFailure = "failure";

std::string key(int rank) { return "sign/" + std::to_string(rank); }
std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

/// "17\thost\tat step 12, in the gradients" without its first field, readable.
std::string where(const std::string& sign) {
  const auto host = sign.find('\t'), place = sign.find('\t', host + 1);
  if (host == std::string::npos || place == std::string::npos) return "has not been heard of";
  return "on " + sign.substr(host + 1, place - host - 1) + " (" + sign.substr(place + 1) + ")";
}

}  // namespace

Pulse::Pulse(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, double timeout_seconds)
    : store_(store),
      own_store_(store->clone()),
      rank_(rank),
      size_(size),
      timeout_(timeout_seconds),
      interval_(std::chrono::milliseconds(static_cast<int64_t>(std::clamp(100 * timeout_seconds, 50.0, 400.0)))) {
  own_store_->setTimeout(std::chrono::seconds(5));
  beat();
  thread_ = std::thread([this] { run(); });
}

Pulse::~Pulse() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Pulse::enter(const char* what) {
  entered_ = Clock::now();
  what_ = what;
}

void Pulse::beat() {
  const char* const what = what_;
  own_store_->set(key(rank_), bytes_of(std::to_string(++beats_) + "\t" + host_name() + "\tat step " + std::to_string(step_.load()) + (what ? std::string(", in ") + what : std::string(", working"))));
}

std::string Pulse::failure() { return own_store_->check({kFailure}) ? text_of(own_store_->get(kFailure)) : std::string(); }

std::vector<std::string> Pulse::signs() {
  std::vector<std::string> result;
  for (int rank = 0; rank < size_; ++rank) result.push_back(own_store_->check({key(rank)}) ? text_of(own_store_->get(key(rank))) : std::string());
  return result;
}

void Pulse::run() {
  // How long another rank's failure may be known before this one is ended in the middle of a wait: the wait usually ends by itself.
  constexpr auto kGrace = std::chrono::seconds(3);
  std::optional<Clock::time_point> failed_at;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, interval_, [this] { return stopping_; })) {
    std::string reason;
    try {
      beat();
      if (!failure().empty() && !failed_at) failed_at = Clock::now();
    } catch (const std::exception&) {  // rank 0 is gone, or frozen: the collectives notice
      if (!failed_at) failed_at = Clock::now() + std::chrono::seconds(static_cast<int64_t>(timeout_));
    }
    if (!what_.load()) continue;
    const auto waited = Clock::now() - entered_.load();
    const bool too_long = waited > std::chrono::duration<double>(timeout_) + std::chrono::seconds(2);
    if (!too_long && !(failed_at && Clock::now() - *failed_at > kGrace && waited > kGrace)) continue;
    lock.unlock();
    std::cerr << "error: " << explain(too_long ? "no answer for " + format_duration(std::chrono::duration<double>(waited).count()) : "another rank ended") << std::endl;
    std::_Exit(static_cast<int>(ExitCode::kDevice));
  }
}

std::string Pulse::explain(const std::string& cause) {
  const char* const what = what_;
  std::string text = "rank " + std::to_string(rank_) + " on " + host_name() + " could not go on with the others at step " + std::to_string(step_.load()) + (what ? std::string(", in ") + what : "") +
                     " (" + cause + ")";
  const std::string rest = ". The same command goes on from the last checkpoint.";
  try {
    if (const auto reason = failure(); !reason.empty()) return text + ": " + reason + rest;
    const auto before = signs();
    std::this_thread::sleep_for(3 * interval_);
    if (const auto reason = failure(); !reason.empty()) return text + ": " + reason + rest;
    const auto after = signs();
    std::string silent, alive;
    for (int rank = 0; rank < size_; ++rank) {
      if (rank == rank_) continue;
      const bool lives = before[static_cast<size_t>(rank)] != after[static_cast<size_t>(rank)];
      auto& list = lives ? alive : silent;
      list += (list.empty() ? "" : ", ") + ("rank " + std::to_string(rank) + " " + where(after[static_cast<size_t>(rank)]));
    }
    if (!silent.empty()) return text + ": no sign of life from " + silent + rest;
    return text + ": all ranks live: " + alive + rest;
  } catch (const std::exception&) {
    return text + ": rank 0, which the others meet at, does not answer" + rest;
  }
}

void Pulse::report_failure(const std::string& reason) noexcept {
  try {
    own_store_->compareSet(kFailure, {}, bytes_of("rank " + std::to_string(rank_) + " on " + host_name() + " ended: " + reason));
  } catch (const std::exception&) {  // nobody listens any more
  }
}

}  // namespace liere

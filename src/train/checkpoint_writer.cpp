#include "train/checkpoint_writer.h"

#include <csignal>
#include <chrono>
#include <utility>

#include "core/check.h"
#include "core/log.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;

// Signals are the training thread's: the writer's system calls are not interrupted.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// Copies into `buffers`, made anew only where a tensor's shape or type is another than last time; pinned for tensors of a GPU.
void copy_tensors(const NamedTensors& tensors, std::vector<torch::Tensor>& buffers) {
  torch::NoGradGuard no_grad;
  buffers.resize(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& source = tensors[i].second;
    auto& buffer = buffers[i];
    if (!buffer.defined() || buffer.sizes() != source.sizes() || buffer.scalar_type() != source.scalar_type())
      buffer = torch::empty(source.sizes(), torch::TensorOptions().dtype(source.scalar_type()).pinned_memory(source.is_cuda()));
    buffer.copy_(source);
  }
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::filesystem::path run, const FolderLock* lock, const CheckpointConfig& config)
    : run_(std::move(run)), lock_(lock), config_(config) {}

CheckpointWriter::~CheckpointWriter() { wait(); }

void CheckpointWriter::wait() {
  if (!thread_.joinable()) return;
  const auto start = Clock::now();
  thread_.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  seconds_waited_ += seconds;
  if (seconds > 1) log_info("waited " + format_duration(seconds) + " for the checkpoint of step " + format_count(info_.state.step) + " to be written");
}

bool CheckpointWriter::submit(const NamedTensors& tensors, CheckpointInfo info, bool best) {
  wait();
  check();
  copy_tensors(tensors, buffers_);
  views_.clear();
  for (size_t i = 0; i < tensors.size(); ++i) views_.push_back(tensor_view(tensors[i].first, buffers_[i]));
  info_ = std::move(info);
  best_ = best;
  if (!config_.background) {
    save();
    return in_a_row_ == 0;
  }
  const SignalsBlocked inherited_by_the_thread;
  thread_ = std::thread([this] { save(); });
  return true;
}

void CheckpointWriter::save() {
  try {
    publish_checkpoint(run_, views_, info_, best_, config_.keep, lock_);
    in_a_row_ = 0;
  } catch (const SupersededError& error) {
    {
      const std::lock_guard guard(mutex_);
      reason_ = error.what();
    }
    superseded_ = true;
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

void CheckpointWriter::fail(const std::string& reason) {
  {
    const std::lock_guard guard(mutex_);
    reason_ = reason;
  }
  ++failures_;
  const auto count = ++in_a_row_;
  log_warning("no checkpoint was written: " + reason + " Training goes on; " + std::to_string(count) + " in a row, " + std::to_string(config_.failure_limit) + " end the run.");
}

void CheckpointWriter::check() {
  if (!superseded_ && in_a_row_ < config_.failure_limit) return;
  const std::lock_guard guard(mutex_);
  if (superseded_) throw SupersededError(reason_);
  throw CheckpointError(std::to_string(in_a_row_) + " checkpoints in a row could not be written, the last because: " + reason_ +
                        " The earlier checkpoints are intact: make room or repair the disk, then the same command goes on from the newest.");
}

void CheckpointWriter::finish() {
  wait();
  check();
  if (in_a_row_ == 0) return;
  const std::lock_guard guard(mutex_);
  throw CheckpointError("the last checkpoint could not be written: " + reason_ + " The earlier checkpoints are intact: the same command goes on from the newest.");
}

}  // namespace liere

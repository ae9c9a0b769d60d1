#include "train/device_batches.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

namespace liere {

DeviceBatches::DeviceBatches(Loader& loader, torch::Device device, bool ahead) : loader_(loader), device_(device), prefetches_(ahead) {
  if (!device.is_cpu()) copies_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

std::optional<DeviceBatches::Ahead> DeviceBatches::fetch() {
  auto batch = loader_.next();
  ended_ = !batch;
  if (ended_) return std::nullopt;
  Ahead ahead{std::move(*batch), std::nullopt};
  if (!copies_) return ahead;
  const c10::StreamGuard on_copies(*copies_);
  // The pinned source may be dropped at once: its allocator remembers the stream that reads it.
  ahead.batch.input = ahead.batch.input.to(device_, /*non_blocking=*/true);
  ahead.copied.emplace(device_.type()).record(*copies_);
  return ahead;
}

std::optional<Batch> DeviceBatches::next() {
  if (error_) std::rethrow_exception(error_);
  if (!ahead_ && !ended_) ahead_ = fetch();
  if (!ahead_) return std::nullopt;
  auto ahead = std::move(*ahead_);
  ahead_.reset();
  if (ahead.copied) {
    const auto current = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
    ahead.copied->block(current);
    ahead.batch.input.record_stream(current);
  }
  return std::move(ahead.batch);
}

void DeviceBatches::prefetch() {
  if (!prefetches_ || ahead_ || ended_ || error_) return;
  try {
    ahead_ = fetch();
  } catch (...) {
    error_ = std::current_exception();
  }
}

}  // namespace liere

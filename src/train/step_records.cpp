#include "train/step_records.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/check.h"

namespace liere {

StepRecords::StepRecords(torch::Device device)
    : device_(device), slots_(torch::empty({kSlots, kLongest}, torch::TensorOptions().dtype(torch::kFloat64).pinned_memory(device.is_cuda()))) {
  if (device.is_cpu()) return;
  for (int64_t slot = 0; slot < kSlots; ++slot) copied_.emplace_back(device.type());
}

void StepRecords::put(const torch::Tensor& numbers) {
  if (waiting() == kSlots || numbers.dim() != 1 || numbers.size(0) > kLongest || numbers.scalar_type() != torch::kFloat64)
    throw Error(ExitCode::kFailure, "a step's record of " + c10::str(numbers.sizes()) + " numbers met " + std::to_string(waiting()) + " unread ones: this is a defect, please report it.");
  const torch::NoGradGuard no_grad;
  const int64_t slot = put_ % kSlots;
  slots_[slot].narrow(0, 0, numbers.size(0)).copy_(numbers, /*non_blocking=*/true);
  if (!copied_.empty()) copied_[static_cast<size_t>(slot)].record(c10::impl::VirtualGuardImpl(device_.type()).getStream(numbers.device()));
  lengths_[static_cast<size_t>(slot)] = numbers.size(0);
  ++put_;
}

std::vector<double> StepRecords::take() {
  if (waiting() == 0) throw Error(ExitCode::kFailure, "no step's record is waiting: this is a defect, please report it.");
  const int64_t slot = taken_ % kSlots;
  if (!copied_.empty()) copied_[static_cast<size_t>(slot)].synchronize();
  ++taken_;
  const double* numbers = slots_.const_data_ptr<double>() + slot * kLongest;
  return {numbers, numbers + lengths_[static_cast<size_t>(slot)]};
}

}  // namespace liere

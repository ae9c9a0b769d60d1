// Times several forms of one computation in turn, so that a machine that slows down slows all of them: a round runs every form once, the median over
// the rounds is quoted with the lowest and highest.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/machine.h"

namespace liere {

struct TimedForm {
  std::string name;
  std::function<void()> run;
};

struct Timing {
  double median = 0, low = 0, high = 0;  // seconds of one run of the form
  int64_t rounds = 0;
};

/// `seconds` for all forms together, at least three rounds after one that is not counted. A form faster than a millisecond is run several times a
/// round. On the CPU with one thread the processor's time of the process counts (other programs do not disturb it), with more the clock's; on a GPU its
/// own events on the current stream do, with nothing waiting inside a round.
std::vector<Timing> time_in_turn(const std::vector<TimedForm>& forms, double seconds, torch::Device device = torch::kCPU);

/// "4.1 us (3.9-4.6)", in the unit that suits the median; `per` divides (matrices of one run, say).
std::string text_of(const Timing& timing, double per = 1);

/// printf of one number.
std::string formatted(const char* format, double value);

/// "4x14x14".
std::string grid_text(const std::vector<int64_t>& sizes);

/// Columns of right-aligned text (the first left-aligned), two spaces apart, a line per row.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

/// Bytes read and written per second by copying `bytes` of memory to another place on this thread or GPU (best of several).
double copy_bandwidth(int64_t bytes, torch::Device device = torch::kCPU);

/// What one run takes of the GPU's memory beside what is held already, at its highest, in bytes; nullopt on the CPU.
std::optional<int64_t> peak_bytes_of(const std::function<void()>& run, torch::Device device);

/// The device's name: "NVIDIA H100 80GB HBM3"; on the CPU the instruction set that the kernels use and the threads.
std::string device_text(torch::Device device);
/// Its highest rate in `kind`: measured on the CPU, by the data sheet on a GPU; 0 where that is not known.
FmaPeak peak_of(torch::Device device, FmaKind kind);

}  // namespace liere

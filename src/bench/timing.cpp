#include "bench/timing.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "core/instruction_set.h"
#include "train/device.h"

namespace liere {
namespace {

double now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

clockid_t clock_to_use() { return torch::get_num_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC; }

/// Seconds of one of `runs` runs.
double seconds_of(const TimedForm& form, int64_t runs, torch::Device device, clockid_t clock) {
  if (!device.is_cpu()) {
    c10::Event begin(device.type(), c10::EventFlag::BACKEND_DEFAULT), end(device.type(), c10::EventFlag::BACKEND_DEFAULT);
    const auto stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
    begin.record(stream);
    for (int64_t i = 0; i < runs; ++i) form.run();
    end.record(stream);
    end.synchronize();
    return 1e-3 * begin.elapsedTime(end) / static_cast<double>(runs);
  }
  const double start = now(clock);
  for (int64_t i = 0; i < runs; ++i) form.run();
  return (now(clock) - start) / static_cast<double>(runs);
}

Timing timing_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const size_t n = times.size();
  const double median = n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
  return {median, times.front(), times.back(), static_cast<int64_t>(n)};
}

}  // namespace

std::vector<Timing> time_in_turn(const std::vector<TimedForm>& forms, double seconds, torch::Device device) {
  const double shortest = device.is_cpu() ? 1e-3 : 3e-3;  // a GPU takes in that time what the host queues late at first
  constexpr size_t kFewest = 3;
  const clockid_t clock = clock_to_use();
  std::vector<int64_t> runs;
  for (const auto& form : forms) {
    seconds_of(form, 1, device, clock);  // memory is touched, libraries choose their code
    runs.push_back(std::max<int64_t>(1, std::llround(shortest / std::max(1e-7, seconds_of(form, 1, device, clock)))));
  }
  std::vector<std::vector<double>> times(forms.size());
  for (const double start = now(CLOCK_MONOTONIC); times.front().size() < kFewest || now(CLOCK_MONOTONIC) - start < seconds;)
    for (size_t i = 0; i < forms.size(); ++i) times[i].push_back(seconds_of(forms[i], runs[i], device, clock));
  std::vector<Timing> result;
  for (auto& list : times) result.push_back(timing_of(std::move(list)));
  return result;
}

std::string text_of(const Timing& timing, double per) {
  const double median = timing.median / per;
  const auto [unit, factor] = median < 1e-3 ? std::pair{"us", 1e6} : median < 1 ? std::pair{"ms", 1e3} : std::pair{"s", 1.0};
  const double largest = timing.high / per * factor;
  const int digits = largest < 10 ? 2 : largest < 100 ? 1 : 0;
  char text[96];
  std::snprintf(text, sizeof text, "%.*f %s (%.*f-%.*f)", digits, median * factor, unit, digits, timing.low / per * factor, digits, largest);
  return text;
}

std::string formatted(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string grid_text(const std::vector<int64_t>& sizes) {
  std::string text;
  for (const int64_t size : sizes) {
    if (!text.empty()) text += 'x';
    text += std::to_string(size);
  }
  return text;
}

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      text += i == 0 ? row[i] + (row.size() > 1 ? space : "") : "  " + space + row[i];
    }
    text += "\n";
  }
  return text;
}

double copy_bandwidth(int64_t bytes, torch::Device device) {
  if (!device.is_cpu()) {
    const auto from = torch::ones({bytes}, torch::TensorOptions().device(device).dtype(torch::kUInt8)), to = torch::empty_like(from);
    return 2 * static_cast<double>(bytes) / time_in_turn({{"copy", [&] { to.copy_(from); }}}, 0.2, device).front().low;
  }
  const auto size = static_cast<size_t>(bytes);
  const auto from = std::make_unique<char[]>(size), to = std::make_unique<char[]>(size);
  std::memset(from.get(), 1, size);
  const auto best = time_in_turn({{"copy", [&] { std::memcpy(to.get(), from.get(), size); }}}, 0.2).front().low;
  return 2 * static_cast<double>(bytes) / best;
}

std::optional<int64_t> peak_bytes_of(const std::function<void()>& run, torch::Device device) {
  if (device.is_cpu()) return std::nullopt;
  const auto allocator = c10::getDeviceAllocator(device.type());
  const auto bytes = [&] { return allocator->getDeviceStats(device.index()).allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)]; };
  allocator->resetPeakStats(device.index());
  const auto before = bytes().current;
  run();
  return bytes().peak - before;
}

std::string device_text(torch::Device device) {
  if (const auto gpu = gpu_figures(device)) return gpu->name;
  return std::string(name_of(instruction_set())) + ", " + std::to_string(torch::get_num_threads()) + " thread(s)";
}

FmaPeak peak_of(torch::Device device, FmaKind kind) {
  if (device.is_cpu()) return measure_fma_peak(torch::get_num_threads(), kind);
  const auto gpu = gpu_figures(device);
  return gpu ? data_sheet_peak(*gpu, kind).value_or(FmaPeak{}) : FmaPeak{};
}

}  // namespace liere

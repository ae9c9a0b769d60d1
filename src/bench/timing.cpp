#include "bench/timing.h"

#include <time.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

namespace liere {
namespace {

double now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

clockid_t clock_to_use() { return torch::get_num_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC; }

double seconds_of(const TimedForm& form, int64_t runs, clockid_t clock) {
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

std::vector<Timing> time_in_turn(const std::vector<TimedForm>& forms, double seconds) {
  constexpr double kShortest = 1e-3;
  constexpr size_t kFewest = 3;
  const clockid_t clock = clock_to_use();
  std::vector<int64_t> runs;
  for (const auto& form : forms) {
    seconds_of(form, 1, clock);  // memory is touched, libraries choose their code
    runs.push_back(std::max<int64_t>(1, std::llround(kShortest / std::max(1e-7, seconds_of(form, 1, clock)))));
  }
  std::vector<std::vector<double>> times(forms.size());
  for (const double start = now(CLOCK_MONOTONIC); times.front().size() < kFewest || now(CLOCK_MONOTONIC) - start < seconds;)
    for (size_t i = 0; i < forms.size(); ++i) times[i].push_back(seconds_of(forms[i], runs[i], clock));
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

double copy_bandwidth(int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  const auto from = std::make_unique<char[]>(size), to = std::make_unique<char[]>(size);
  std::memset(from.get(), 1, size);
  const auto best = time_in_turn({{"copy", [&] { std::memcpy(to.get(), from.get(), size); }}}, 0.2).front().low;
  return 2 * static_cast<double>(bytes) / best;
}

}  // namespace liere

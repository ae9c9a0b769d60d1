// Times several forms of one computation in turn, so that a machine that slows down slows all of them: a round runs every form once, the median over
// the rounds is quoted with the lowest and highest.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

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
/// round. With one thread the processor's time of the process counts (other programs do not disturb it), with more the clock's.
std::vector<Timing> time_in_turn(const std::vector<TimedForm>& forms, double seconds);

/// "4.1 us (3.9-4.6)", in the unit that suits the median; `per` divides (matrices of one run, say).
std::string text_of(const Timing& timing, double per = 1);

/// printf of one number.
std::string formatted(const char* format, double value);

/// "4x14x14".
std::string grid_text(const std::vector<int64_t>& sizes);

/// Columns of right-aligned text (the first left-aligned), two spaces apart, a line per row.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

/// Bytes read and written per second by copying `bytes` of memory to another place on this thread (best of several).
double copy_bandwidth(int64_t bytes);

}  // namespace liere

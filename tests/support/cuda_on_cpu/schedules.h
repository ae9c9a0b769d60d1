// What tests ask of a launch: the same result in whatever order its threads run, and what it throws.
#pragma once

#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "models/kernels/cuda_device.h"

namespace liere {

/// What a launch throws, empty when nothing.
template <class F>
std::string failure(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

/// Calls f under `n` schedules (4 has each kind once) and returns what it returned: an array of plain elements (std::data, std::size), the same bits
/// each time. Throws std::runtime_error where two differ.
template <class F>
auto run_schedules(int n, F f) {
  emulator::set_schedule(0);
  auto first = f();
  static_assert(std::is_trivially_copyable_v<std::remove_reference_t<decltype(*std::data(first))>>);
  for (int seed = 1; seed < n; ++seed) {
    emulator::set_schedule(static_cast<uint64_t>(seed));
    const auto other = f();
    if (std::size(first) != std::size(other)) throw std::runtime_error("the size of the result depends on the order of the threads");
    for (size_t i = 0; i < std::size(first); ++i)
      if (memcmp(std::data(first) + i, std::data(other) + i, sizeof(*std::data(first))) != 0)
        throw std::runtime_error("the result depends on the order of the threads: element " + std::to_string(i) +
                                 " differs between the schedules 0 and " + std::to_string(seed));
  }
  emulator::set_schedule(1);
  return first;
}

}  // namespace liere

// The GPU's dropout, executed on the CPU, against the CPU's own: the same bits.
#include <vector>

#include "models/kernels/device_kernels.h"
#include "support/catch.h"

namespace liere {
namespace {

void check(int64_t rows, int64_t row_elements) {
  INFO(rows << " x " << row_elements);
  DropoutParams params;
  params.rows = rows;
  params.row_elements = row_elements;
  params.first_slot = 5;
  params.step = 3;
  params.site = 9;
  params.key = 0x123456789abcdef;
  params.threshold = 1u << 30;
  params.scale = 1 / 0.75;
  const auto count = static_cast<size_t>(rows * row_elements);
  std::vector<float> in(count), expected(count), found(count);
  for (size_t i = 0; i < count; ++i) in[i] = static_cast<float>(i) - 7;
  dropout_cpu(params, in.data(), expected.data(), 0, rows * dropout_segments_per_row(params));
  REQUIRE(cuda_kernels().dropout.float32(params, in.data(), found.data(), nullptr) == 0);
  CHECK(found == expected);
}

}  // namespace

TEST_CASE("cuda on cpu: dropout draws the CPU's masks") {
  check(3, 48);
  check(2, 1030);
  check(1, 7);
}

}  // namespace liere

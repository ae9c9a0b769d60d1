// The exponential of skew blocks against a Taylor series in double, and its properties.
#include "models/kernels/skew_exp.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/skew_exp_case.h"
#include "support/catch.h"

using namespace liere;
using namespace liere::test;

namespace {

template <class T>
void check_values(Case<T>& c, double bound) {
  for (int64_t layer = 0; layer < c.layers; ++layer)
    for (int64_t token = 0; token < c.tokens; ++token)
      for (int64_t group = 0; group < c.groups; ++group) {
        INFO("layer " << layer << " token " << token << " group " << group);
        CHECK(relative(reference(c.exponent(layer, token, group), c.block), &c.rotations[c.offset(layer, token, group)]) < bound);
      }
}

}  // namespace

TEMPLATE_TEST_CASE("exp of skew blocks is that of a Taylor series, for every side, number of axes and instruction set", "", float, double) {
  for (const InstructionSet set : sets())
    for (const int64_t block : {2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64}) {
      const int64_t axes = 1 + block % 3, tokens = block > 16 ? 2 : 19, groups = block > 16 ? 1 : 3, layers = block > 16 ? 1 : 2;
      Case<TestType> c(axes, layers, groups, tokens, block, 1);
      scale_to_norm(c, 10);
      c.run(set);
      INFO(name_of(set) << ", block " << block);
      check_values(c, sizeof(TestType) == 8 ? 2e-14 : single_bound(10));
    }
}

TEST_CASE("exp of skew blocks keeps fp32's accuracy at norms from 0.1 to 400") {
  for (const InstructionSet set : sets())
    for (const int64_t block : {4, 8, 16, 64})
      for (const double norm : {0.1, 0.6, 1.2, 3.0, 30.0, 400.0}) {
        Case<float> c(2, 1, block == 64 ? 1 : 4, block == 64 ? 3 : 17, block, 1, static_cast<uint64_t>(block));
        scale_to_norm(c, norm);
        c.run(set);
        INFO(name_of(set) << ", block " << block << ", norm " << norm);
        check_values(c, norm < 0.2 ? 1.2e-7 : single_bound(norm));  // small rotations: small errors
      }
}

TEMPLATE_TEST_CASE("exp of skew blocks is orthogonal, also far beyond an angle's precision", "", float, double) {
  for (const InstructionSet set : sets())
    for (const int64_t block : {5, 8, 16, 24, 64})
      for (const double size : {1e-3, 1.0, 50.0}) {
        Case<TestType> c(2, 1, 2, 5, block, size);
        c.run(set);
        double worst = 0;
        for (int64_t at = 0; at < static_cast<int64_t>(c.rotations.size()); at += block * block)
          for (int64_t i = 0; i < block; ++i)
            for (int64_t j = 0; j < block; ++j) {
              double dot = i == j ? -1 : 0;
              for (int64_t k = 0; k < block; ++k) dot += double(c.rotations[at + i * block + k]) * c.rotations[at + j * block + k];
              worst = std::max(worst, std::isfinite(dot) ? std::abs(dot) : 1);
            }
        INFO(name_of(set) << ", block " << block << ", size " << size);
        CHECK(worst < (sizeof(TestType) == 8 ? 2e-14 : 5e-6));
      }
}

TEST_CASE("spectra that stall a QR iteration come out right: rank one, repeated, nilpotent and graded ones") {
  const auto entry_of = [](int kind, int64_t b, int64_t i, int64_t j) -> double {
    switch (kind) {
      case 0:
        return i + j == b - 1;  // all eigenvalues equal
      case 1:
        return j == i + 1;  // tridiagonal already
      case 2:
        return 1;
      case 3:
        return j == i + 1 ? std::pow(10.0, -0.5 * i) : 0;  // graded
      case 4:
        return j == i + 1 && i % 2;  // a zero pair in front
      default:
        return (i + 1.0) * (b - j) - (j + 1.0) * (b - i) / 7;  // rank two
    }
  };
  for (const InstructionSet set : sets())
    for (const int64_t block : {3, 4, 7, 8, 16, 33})
      for (int kind = 0; kind < 6; ++kind) {
        Case<double> c(1, 1, 1, 3, block, 1);
        int64_t e = 0;
        for (int64_t i = 0; i < block; ++i)
          for (int64_t j = i + 1; j < block; ++j) c.generators[e++] = entry_of(kind, block, i, j);
        scale_to_norm(c, 7.0 / 3);
        c.run(set);
        INFO(name_of(set) << ", block " << block << ", kind " << kind);
        check_values(c, 2e-14);
      }
}

TEMPLATE_TEST_CASE("the point zero and generators of zeros give the identity exactly", "", float, double) {
  for (const InstructionSet set : sets())
    for (const int64_t block : {2, 3, 8, 12, 16}) {
      Case<TestType> c(2, 1, 2, 5, block, 3);
      c.positions[2 * 3] = c.positions[2 * 3 + 1] = 0;
      std::fill(c.generators.begin(), c.generators.begin() + c.entries(), TestType(0));  // group 0, both axes
      std::fill(c.generators.begin() + 2 * c.entries(), c.generators.begin() + 3 * c.entries(), TestType(0));
      c.run(set);
      for (int64_t token = 0; token < 5; ++token)
        for (int64_t group = 0; group < 2; ++group) {
          const TestType* r = &c.rotations[c.offset(0, token, group)];
          bool identity = true;
          for (int64_t i = 0; i < block * block; ++i) identity &= r[i] == TestType(i / block == i % block);
          INFO(name_of(set) << ", block " << block << ", token " << token << ", group " << group);
          CHECK(identity == (token == 3 || group == 0));
        }
    }
}

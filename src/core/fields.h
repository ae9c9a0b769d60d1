// One list of fields per configuration struct drives decoding, dumping, --print-config, docs/configs.md and the identity hash.
//
//   struct BlockConfig { static constexpr auto kind = "block"; int64_t block_size = 64; double dropout = 0.1; };
//   template <class V> void fields(V& v, BlockConfig& c) {
//     v("block_size", c.block_size, "side of each rotation block", at_least(1));
//     v("dropout", c.dropout, "probability of dropping an activation", between(0.0, 1.0));
//   }
//
// Member types: bool, int64_t, uint64_t, IntegerOrAuto, double, std::string, enums with names, std::optional<T>, std::vector<T>, structs with fields(),
// std::variant of such structs, each with a `static constexpr auto kind` (decoded from the key "kind"), and ConfigNode for free text.
// `v.flatten(c.dataset)` puts the keys of a member (usually a variant) into the same map as the struct's own keys.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace liere {

/// An integer, or `auto`: the program finds it and writes it here.
struct IntegerOrAuto {
  int64_t value = 0;
  bool automatic = false;
  operator int64_t() const { return value; }
};

/// What a field's value must satisfy beside its type, and whether it belongs to the run's identity.
struct FieldRule {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;
  bool identity = true;

  /// This rule on a field whose value does not change what is computed (output, logging, workers, ...); holds for a whole sub-struct.
  constexpr FieldRule not_identity() const { auto copy = *this; copy.identity = false; return copy; }
};
constexpr FieldRule anything() { return {}; }
constexpr FieldRule not_identity() { return FieldRule{}.not_identity(); }
constexpr FieldRule at_least(double low) { return {.low = low}; }
constexpr FieldRule positive() { return {.low = 0, .low_open = true}; }
constexpr FieldRule between(double low, double high) { return {.low = low, .high = high}; }        // [low, high]
constexpr FieldRule from_until(double low, double high) { return {.low = low, .high = high, .high_open = true}; }  // [low, high)

/// Names of an enum's values: specialise `static constexpr std::pair<E, std::string_view> values[]`.
template <class E>
struct EnumNames;

template <class E>
std::string_view name_of(E value) {
  for (const auto& [candidate, name] : EnumNames<E>::values)
    if (candidate == value) return name;
  return "?";
}

}  // namespace liere

// Scalars, lists and keys of a configuration: what is accepted, and the sentence for what is not.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "core/config.h"

namespace liere {
namespace {

using Type = ConfigNode::Type;

constexpr size_t kShownText = 60;

/// Text for a message: one line, not too long.
std::string shown(std::string text) {
  if (text.size() > kShownText) {
    size_t end = kShownText;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not within a UTF-8 sequence
    text = text.substr(0, end) + "...";
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

std::string found(const ConfigNode& node) {
  switch (node.type) {
    case Type::kNull:
      return node.scalar.empty() ? "nothing" : "null";
    case Type::kSequence:
      return "a list";
    case Type::kMap:
      return "a map of keys";
    case Type::kScalar:
      break;
  }
  return node.quoted ? "the quoted text \"" + shown(node.scalar) + "\"" : "'" + shown(node.scalar) + "'";
}

/// An empty value has no place of its own: the mark of the next token would mislead.
const Origin& place(const ConfigNode& node) {
  return node.type == Type::kNull && node.scalar.empty() && node.key_origin.line > 0 ? node.key_origin : node.origin;
}

[[noreturn]] void fail(const Origin& origin, const std::string& message) { throw ConfigError(origin.text() + ": " + message); }

[[noreturn]] void fail_expecting(const ConfigNode& node, const std::string& path, const std::string& expected, const std::string& remedy = "") {
  const std::string name = path.empty() ? "the configuration" : "'" + path + "'";
  fail(place(node), name + " must be " + expected + ", found " + found(node) + "." + (remedy.empty() ? "" : " " + remedy));
}

/// The raw text of an unquoted scalar; `expected` words the error for anything else.
std::string_view plain_scalar(const ConfigNode& node, const std::string& path, const std::string& expected) {
  if (node.type == Type::kNull) fail_expecting(node, path, expected, "Give a value, or remove the key to keep its default.");
  if (node.type != Type::kScalar) fail_expecting(node, path, expected);
  if (node.quoted) fail_expecting(node, path, expected, "Remove the quotation marks.");
  return node.scalar;
}

std::string without_sign(std::string_view text, bool& negative) {
  negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  return std::string(text);
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void refuse_leading_zero(const ConfigNode& node, const std::string& path, std::string_view digits, const std::string& expected) {
  if (digits.size() < 2 || digits[0] != '0' || digits[1] < '0' || digits[1] > '9') return;
  const size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
  const std::string decimal(digits.substr(first));
  fail_expecting(node, path, expected, "Numbers are decimal and have no leading zeros (in other programs they mean octal): write " + decimal + ".");
}

template <class Integer>
Integer read_integer(const ConfigNode& node, const std::string& path, const std::string& expected) {
  const std::string_view text = plain_scalar(node, path, expected);
  bool negative = false;
  const std::string digits = without_sign(text, negative);
  if (!all_digits(digits)) {
    std::string squeezed = digits;
    std::erase_if(squeezed, [](char c) { return c == '_' || c == ','; });
    if (squeezed != digits && all_digits(squeezed)) fail_expecting(node, path, expected, "Write digits only: " + squeezed + ".");
    fail_expecting(node, path, expected, "Write decimal digits only, without point or exponent.");
  }
  refuse_leading_zero(node, path, digits, expected);
  const std::string number = (negative && digits != "0" ? "-" : "") + digits;
  if (std::is_unsigned_v<Integer> && number[0] == '-') fail_expecting(node, path, expected);
  Integer value = 0;
  if (std::from_chars(number.data(), number.data() + number.size(), value).ec != std::errc()) {
    const auto limit = std::to_string(number[0] == '-' ? std::numeric_limits<Integer>::min() : std::numeric_limits<Integer>::max());
    fail_expecting(node, path, expected,
                   std::string("It does not fit in 64 bits: the ") + (number[0] == '-' ? "least is " : "greatest is ") + limit + ".");
  }
  return value;
}

/// [digits] [. digits] [e [sign] digits] with at least one digit before the exponent.
bool is_decimal_number(std::string_view text) {
  size_t at = 0, digits = 0;
  const auto skip_digits = [&] {
    const size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - begin;
  };
  digits += skip_digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    digits += skip_digits();
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (skip_digits() == 0) return false;
  }
  return at == text.size();
}

template <class Number>
void check_range(const ConfigNode& node, const std::string& path, const FieldRule& rule, Number number) {
  const auto value = static_cast<double>(number);
  const bool low_kept = rule.low_open ? value > rule.low : value >= rule.low;
  const bool high_kept = rule.high_open ? value < rule.high : value <= rule.high;
  if (!low_kept || !high_kept) fail_expecting(node, path, range_text(rule));
}

/// Letters to insert, delete, replace or swap with their neighbour.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, previous, row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t(0));
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(previous, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

std::string list_of(std::span<const std::string_view> names) {
  std::string list;
  for (const auto name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list.empty() ? "none" : list;
}

std::string suggestion(std::string_view name, std::span<const std::string_view> names) {
  const std::string nearest = nearest_name(name, names);
  return nearest.empty() ? "" : "Did you mean '" + nearest + "'? ";
}

}  // namespace

std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
  std::string nearest;
  if (name.size() > 100) return nearest;
  size_t least = std::max<size_t>(1, name.size() / 3) + 1;  // about one letter in three may differ
  for (const auto candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule&, bool& value) {
  const std::string_view text = plain_scalar(node, path, "true or false");
  if (text != "true" && text != "false") fail_expecting(node, path, "true or false");
  value = text == "true";
}

void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, int64_t& value) {
  const auto number = read_integer<int64_t>(node, path, "an integer");
  check_range(node, path, rule, number);
  value = number;
}

void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, uint64_t& value) {
  const auto number = read_integer<uint64_t>(node, path, "an integer of 0 or more");
  check_range(node, path, rule, number);
  value = number;
}

void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, IntegerOrAuto& value) {
  constexpr auto kExpected = "an integer or auto";
  if (plain_scalar(node, path, kExpected) == "auto") {
    value = {0, true};
    return;
  }
  const auto number = read_integer<int64_t>(node, path, kExpected);
  check_range(node, path, rule, number);
  value = {number, false};
}

void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, double& value) {
  constexpr auto kExpected = "a finite number";
  const std::string_view text = plain_scalar(node, path, kExpected);
  bool negative = false;
  const std::string digits = without_sign(text, negative);
  if (!is_decimal_number(digits)) fail_expecting(node, path, kExpected, "Write it in decimal (0.001) or scientific (1e-3) form.");
  refuse_leading_zero(node, path, digits, kExpected);
  double number = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc() || !std::isfinite(number))
    fail_expecting(node, path, kExpected, "It lies outside the range of a 64-bit floating-point number.");
  if (negative && number != 0) number = -number;
  check_range(node, path, rule, number);
  value = number;
}

void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule&, std::string& value) {
  if (node.type == Type::kNull) fail_expecting(node, path, "text", "Give a value (\"\" for an empty text), or remove the key to keep its default.");
  if (node.type != Type::kScalar) fail_expecting(node, path, "text");
  value = node.scalar;
}

size_t read_choice(const ConfigNode& node, const std::string& path, std::span<const std::string_view> names) {
  const std::string expected = "one of " + list_of(names);
  if (node.type != Type::kScalar) fail_expecting(node, path, expected);
  const auto chosen = std::find(names.begin(), names.end(), node.scalar);
  if (chosen == names.end()) fail_expecting(node, path, expected, suggestion(node.scalar, names));
  return static_cast<size_t>(chosen - names.begin());
}

const std::vector<ConfigNode>& read_list(const ConfigNode& node, const std::string& path) {
  if (node.type == Type::kScalar) fail_expecting(node, path, "a list", "Write [" + shown(node.scalar) + "].");
  if (node.type != Type::kSequence) fail_expecting(node, path, "a list", "Write [a, b], or [] for an empty one.");
  return node.items;
}

bool is_absent(const ConfigNode& node) { return node.type == Type::kNull && (node.scalar == "null" || node.scalar == "~"); }

MapReader::MapReader(const ConfigNode& node, std::string path) : node_(node), path_(std::move(path)) {
  if (node.type == Type::kNull)
    fail_expecting(node, path_, "a map of keys", "Give its keys on indented lines below, or remove it to keep the defaults.");
  if (node.type != Type::kMap) fail_expecting(node, path_, "a map of keys", "Write 'key: value' lines, indented, below it.");
}

const ConfigNode* MapReader::take(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) != known_.end()) throw std::logic_error("two fields are named '" + path_of(key) + "'");
  known_.push_back(key);
  return node_.find(key);
}

size_t MapReader::take_kind(std::span<const std::string_view> kinds, size_t held) {
  const ConfigNode* node = take("kind");
  const size_t chosen = node ? read_choice(*node, path_of("kind"), kinds) : held;
  kind_ = kinds[chosen];
  return chosen;
}

void MapReader::reject_unknown() const {
  for (const auto& [key, value] : node_.entries) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    std::string owners;
    for (const auto& [kind, name] : foreign_)
      if (name == key) owners += (owners.empty() ? "" : ", ") + std::string(kind);
    const std::string where = path_of(shown(key));
    if (!owners.empty())
      fail(value.key_origin,
           "'" + where + "' is a key of kind " + owners + ", but the kind here is " + std::string(kind_) + ". Known keys: " + list_of(known_) + ".");
    fail(value.key_origin, "unknown key '" + where + "'. " + suggestion(key, known_) + "Known keys: " + list_of(known_) + ".");
  }
}

}  // namespace liere

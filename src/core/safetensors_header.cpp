#include "core/safetensors_header.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/check.h"

namespace liere::safetensors {
namespace {

struct DtypeRow {
  Dtype dtype;
  std::string_view name;
  size_t size;
};
constexpr std::array<DtypeRow, 13> kDtypes = {{{Dtype::kBool, "BOOL", 1},
                                               {Dtype::kU8, "U8", 1},
                                               {Dtype::kI8, "I8", 1},
                                               {Dtype::kI16, "I16", 2},
                                               {Dtype::kU16, "U16", 2},
                                               {Dtype::kI32, "I32", 4},
                                               {Dtype::kU32, "U32", 4},
                                               {Dtype::kI64, "I64", 8},
                                               {Dtype::kU64, "U64", 8},
                                               {Dtype::kF16, "F16", 2},
                                               {Dtype::kBF16, "BF16", 2},
                                               {Dtype::kF32, "F32", 4},
                                               {Dtype::kF64, "F64", 8}}};

const DtypeRow& row_of(Dtype dtype) {
  for (const DtypeRow& row : kDtypes)
    if (row.dtype == dtype) return row;
  throw CheckpointError("safetensors: a dtype outside the enumeration was given");
}

std::optional<Dtype> dtype_named(std::string_view name) {
  for (const DtypeRow& row : kDtypes)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

// Events of nlohmann's (non-recursive) parser, checked against the one structure a header may have:
//   {"__metadata__": {string: string}, NAME: {"dtype": string, "shape": [int...], "data_offsets": [int, int]}}
// Every callback returns false, with `problem` set, at the first departure from it; nothing deeper is ever built.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  Header header;
  std::string problem;

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("true or false"); }
  bool number_integer(number_integer_t) override {
    return state_ == State::kNumbers ? fail("a negative number in '" + field_ + "'") : value("a number");
  }
  bool number_float(number_float_t, const string_t& text) override {
    return state_ == State::kNumbers ? fail("the number " + text.substr(0, 40) + " in '" + field_ + "' is not an integer below 2^63")
                                     : value("a number");
  }
  bool binary(binary_t&) override { return value("binary data"); }

  bool number_unsigned(number_unsigned_t number) override {
    if (state_ != State::kNumbers) return value("a number");
    if (number > uint64_t(INT64_MAX)) return fail("a number in '" + field_ + "' is not below 2^63");
    if (field_ == "shape") {
      info_.shape.push_back(static_cast<int64_t>(number));
    } else {
      if (offsets_ == 2) return fail("'data_offsets' has more than two numbers");
      (offsets_++ == 0 ? info_.begin : info_.end) = number;
    }
    return true;
  }

  bool string(string_t& text) override {
    if (state_ == State::kMetadata) {
      header.metadata[field_] = std::move(text);
      return true;
    }
    if (state_ != State::kTensor || field_ != "dtype") return value("a string");
    const std::optional<Dtype> dtype = dtype_named(text);
    if (!dtype) return fail("dtype " + in_quotes(text) + " is not one of BOOL, U8, I8, I16, U16, I32, U32, I64, U64, F16, BF16, F32, F64");
    info_.dtype = *dtype;
    return true;
  }

  bool start_object(size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kTop;
    } else if (state_ == State::kTop) {
      state_ = name_ == kMetadata ? State::kMetadata : State::kTensor;
      info_ = TensorInfo{};
      offsets_ = 0;
      seen_.clear();
    } else {
      return value("an object");
    }
    return true;
  }

  bool key(string_t& name) override {
    if (state_ == State::kTop) {
      name_ = std::move(name);
      field_.clear();
      if (name_ == kMetadata ? metadata_seen_ : header.tensors.contains(name_)) return fail("the name stands there twice");
      metadata_seen_ = metadata_seen_ || name_ == kMetadata;
      return true;
    }
    field_ = std::move(name);
    if (!seen_.insert(field_).second) return fail("the key " + in_quotes(field_) + " stands there twice");
    if (state_ == State::kTensor && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets") {
      return fail("the key " + in_quotes(field_) + " is not one of dtype, shape, data_offsets");
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kTensor) {
      if (seen_.size() != 3) return fail("one of dtype, shape, data_offsets is missing");
      if (offsets_ != 2) return fail("'data_offsets' needs two numbers");
      const std::optional<uint64_t> bytes = byte_count(info_.dtype, info_.shape);
      if (!bytes) return fail("the product of its shape overflows");
      if (info_.end < info_.begin || info_.end - info_.begin != *bytes) {
        return fail("its shape and dtype need " + std::to_string(*bytes) + " bytes, but data_offsets are [" + std::to_string(info_.begin) + ", " +
                    std::to_string(info_.end) + "]");
      }
      header.tensors.emplace(name_, std::move(info_));
    }
    state_ = state_ == State::kTop ? State::kDone : State::kTop;
    return true;
  }

  bool start_array(size_t) override {
    if (state_ != State::kTensor || field_ == "dtype") return value("an array");
    state_ = State::kNumbers;
    return true;
  }
  bool end_array() override {
    state_ = State::kTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    name_.clear();
    return fail("it is not valid JSON in UTF-8 at byte " + std::to_string(position));
  }

 private:
  enum class State { kStart, kTop, kMetadata, kTensor, kNumbers, kDone };

  bool fail(const std::string& what) {
    problem = (name_.empty() ? "" : in_quotes(name_) + ": ") + what;
    return false;
  }
  // A value where the structure has none of its kind.
  bool value(const std::string& found) {
    if (state_ == State::kStart) return fail("it must be a JSON object, found " + found);
    if (state_ == State::kMetadata) return fail("the value of " + in_quotes(field_) + " must be a string, found " + found);
    return fail((state_ == State::kTop ? std::string("the entry") : in_quotes(field_)) + " must not be or hold " + found);
  }

  State state_ = State::kStart;
  std::string name_, field_;
  TensorInfo info_{};
  int offsets_ = 0;
  bool metadata_seen_ = false;
  std::set<std::string> seen_;
};

}  // namespace

size_t size_of(Dtype dtype) { return row_of(dtype).size; }
std::string_view name_of(Dtype dtype) { return row_of(dtype).name; }

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 80)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return out + (text.size() > 80 ? "...'" : "'");
}

std::optional<uint64_t> byte_count(Dtype dtype, const std::vector<int64_t>& shape) {
  uint64_t count = size_of(dtype);
  for (const int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(count, static_cast<uint64_t>(size), &count) || count > uint64_t(INT64_MAX)) return std::nullopt;
  return count;
}

std::string parse_header(std::string_view json, uint64_t data_bytes, Header& header) {
  // The parser takes a zero byte for the end of its input and would not look behind it.
  if (json.find('\0') != std::string_view::npos) return "it contains a zero byte";
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) return reader.problem;
  std::vector<const std::pair<const std::string, TensorInfo>*> order;
  for (const auto& entry : reader.header.tensors) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end); });
  uint64_t position = 0;
  for (const auto* entry : order) {
    if (entry->second.begin != position) {
      return in_quotes(entry->first) + " begins at byte " + std::to_string(entry->second.begin) + " of the data, expected " +
             std::to_string(position) + (entry->second.begin < position ? " (tensors overlap)" : " (a hole before it)");
    }
    position = entry->second.end;
  }
  if (position != data_bytes) {
    return "its tensors need " + std::to_string(position) + " bytes of data, the file has " + std::to_string(data_bytes) +
           (position > data_bytes ? " (truncated)" : " (bytes behind the last tensor)");
  }
  header = std::move(reader.header);
  return "";
}

}  // namespace liere::safetensors

#include "core/safetensors_header.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/check.h"

namespace liere::safetensors {
namespace {

// More than any model has; together with the header's cap they bound time and memory.
constexpr size_t kMostEntries = 65536, kMostDimensions = 64;

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

// What is wrong with the header; caught by parse_header.
struct Problem {
  std::string text;
};

// Length of the valid UTF-8 sequence (RFC 3629) that starts `text`, 0 if there is none.
size_t utf8_sequence(std::string_view text) {
  const auto byte = [text](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&byte](size_t i, unsigned low = 0x80, unsigned high = 0xBF) { return byte(i) >= low && byte(i) <= high; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) return follows(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  if (first >= 0xF0 && first <= 0xF4) return follows(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F)), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  }
}

// A parser for the one structure that a header may have, in one pass, without recursion and without building anything else:
//   {"__metadata__": {string: string}, NAME: {"dtype": string, "shape": [int...], "data_offsets": [int, int]}}
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Header parse() {
    Header header;
    bool metadata_seen = false;
    if (text_.empty() || text_[0] != '{') throw Problem{"it must be a JSON object"};
    each_member([&](const std::string& name) {
      where_ = in_quotes(name).append(": ");
      if (name == kMetadata ? std::exchange(metadata_seen, true) : header.tensors.contains(name)) fail("the name stands there twice");
      if (header.tensors.size() == kMostEntries) fail("a file may hold at most 65536 tensors");
      expect_kind('{', "the entry must be an object");
      if (name == kMetadata) {
        read_metadata(header.metadata);
      } else {
        header.tensors.emplace(name, read_tensor());
      }
      where_.clear();
    });
    skip_space();
    if (at_ != text_.size()) fail_syntax();
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Problem{where_ + what}; }
  [[noreturn]] void fail_syntax() const { throw Problem{"it is not valid JSON in UTF-8 at byte " + std::to_string(at_)}; }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }
  void expect(char c) {
    if (at_ >= text_.size() || text_[at_] != c) fail_syntax();
    ++at_;
  }

  // The value at this place must begin with `opening`; otherwise the message names the kind that was found.
  void expect_kind(char opening, const std::string& expected) const {
    const char c = peek();
    if (c == opening && at_ < text_.size()) return;
    if (c == '{') fail(expected + ", found an object");
    if (c == '[') fail(expected + ", found an array");
    if (c == '"') fail(expected + ", found a string");
    if (c == 't' || c == 'f') fail(expected + ", found true or false");
    if (c == 'n') fail(expected + ", found null");
    if (c == '-' || (c >= '0' && c <= '9')) fail(expected + ", found a number");
    fail_syntax();
  }

  // Calls `member(key)` at the value of each member; it must read the value.
  template <typename Member>
  void each_member(Member member) {
    expect('{');
    skip_space();
    if (peek() == '}') {
      ++at_;
      return;
    }
    while (true) {
      const std::string key = read_string();
      skip_space();
      expect(':');
      skip_space();
      member(key);
      skip_space();
      if (peek() != ',') break;
      ++at_;
      skip_space();
    }
    expect('}');
  }

  std::string read_string() {
    expect('"');
    std::string out;
    size_t begin = at_;
    while (true) {
      const unsigned char c = static_cast<unsigned char>(peek());
      if (c < 0x20) fail_syntax();  // also the end of the text
      if (c == '"' || c == '\\') {
        out.append(text_, begin, at_ - begin);
        ++at_;
        if (c == '"') return out;
        read_escape(out);
        begin = at_;
      } else {
        const size_t length = c < 0x80 ? 1 : utf8_sequence(text_.substr(at_, 4));
        if (length == 0) fail_syntax();
        at_ += length;
      }
    }
  }

  void read_escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const char c = peek();
    if (const size_t which = kLetters.find(c); which != std::string_view::npos) {
      ++at_;
      out += kMeanings[which];
      return;
    }
    expect('u');
    uint32_t code = read_hex();
    if (code >= 0xDC00 && code <= 0xDFFF) fail_syntax();
    if (code >= 0xD800 && code <= 0xDBFF) {
      expect('\\');
      expect('u');
      const uint32_t low = read_hex();
      if (low < 0xDC00 || low > 0xDFFF) fail_syntax();
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, code);
  }

  uint32_t read_hex() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      if (c >= '0' && c <= '9') {
        code = code * 16 + static_cast<uint32_t>(c - '0');
      } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        code = code * 16 + static_cast<uint32_t>((c | 0x20) - 'a' + 10);
      } else {
        fail_syntax();
      }
    }
    return code;
  }

  // Non-negative integers below 2^63.
  std::vector<int64_t> read_numbers(const std::string& field, size_t most) {
    std::vector<int64_t> out;
    expect_kind('[', "'" + field + "' must be an array of numbers");
    ++at_;
    skip_space();
    if (peek() == ']') {
      ++at_;
      return out;
    }
    while (true) {
      if (out.size() == most) fail("'" + field + "' holds more than " + std::to_string(most) + " numbers");
      out.push_back(read_number(field));
      skip_space();
      if (peek() != ',') break;
      ++at_;
      skip_space();
    }
    expect(']');
    return out;
  }

  int64_t read_number(const std::string& field) {
    if (peek() == '-') fail("'" + field + "' holds a negative number");
    const size_t begin = at_;
    int64_t number = 0;
    bool overflow = false;
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      overflow = overflow || __builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, peek() - '0', &number);
    if (at_ == begin) expect_kind('0', "'" + field + "' must hold numbers");
    if (overflow || peek() == '.' || peek() == 'e' || peek() == 'E') fail("'" + field + "' holds a number that is not an integer below 2^63");
    if (at_ - begin > 1 && text_[begin] == '0') fail_syntax();
    return number;
  }

  void read_metadata(std::map<std::string, std::string>& metadata) {
    each_member([&](const std::string& key) {
      if (metadata.contains(key)) fail("the key " + in_quotes(key) + " stands there twice");
      if (metadata.size() == kMostEntries) fail("at most 65536 entries are allowed");
      expect_kind('"', "the value of " + in_quotes(key) + " must be a string");
      metadata.emplace(key, read_string());
    });
  }

  TensorInfo read_tensor() {
    TensorInfo info{};
    bool dtype_seen = false, shape_seen = false, offsets_seen = false;
    const auto once = [this](bool& seen, const std::string& key) {
      if (std::exchange(seen, true)) fail("the key '" + key + "' stands there twice");
    };
    each_member([&](const std::string& key) {
      if (key == "dtype") {
        once(dtype_seen, key);
        info.dtype = read_dtype();
      } else if (key == "shape") {
        once(shape_seen, key);
        info.shape = read_numbers(key, kMostDimensions);
      } else if (key == "data_offsets") {
        once(offsets_seen, key);
        const std::vector<int64_t> offsets = read_numbers(key, 2);
        if (offsets.size() != 2) fail("'data_offsets' must hold two numbers, found " + std::to_string(offsets.size()));
        info.begin = static_cast<uint64_t>(offsets[0]);
        info.end = static_cast<uint64_t>(offsets[1]);
      } else {
        fail("the key " + in_quotes(key) + " is not one of dtype, shape, data_offsets");
      }
    });
    if (!dtype_seen || !shape_seen || !offsets_seen) fail("one of dtype, shape, data_offsets is missing");
    check_size(info);
    return info;
  }

  Dtype read_dtype() {
    expect_kind('"', "'dtype' must be a string");
    const std::string name = read_string();
    for (const DtypeRow& row : kDtypes)
      if (row.name == name) return row.dtype;
    fail("dtype " + in_quotes(name) + " is not one of BOOL, U8, I8, I16, U16, I32, U32, I64, U64, F16, BF16, F32, F64");
  }

  void check_size(const TensorInfo& info) const {
    const std::optional<uint64_t> bytes = byte_count(info.dtype, info.shape);
    if (!bytes) fail("the product of its shape overflows");
    if (info.end < info.begin || info.end - info.begin != *bytes) {
      fail("its shape and dtype need " + std::to_string(*bytes) + " bytes, but data_offsets are [" + std::to_string(info.begin) + ", " +
           std::to_string(info.end) + "]");
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string where_;
};

// Tensors must cover the data exactly: in the order of their offsets each begins where the one before ends.
void check_layout(const Header& header, uint64_t data_bytes) {
  std::vector<std::pair<std::pair<uint64_t, uint64_t>, const std::string*>> order;
  for (const auto& [name, info] : header.tensors) order.push_back({{info.begin, info.end}, &name});
  std::sort(order.begin(), order.end());
  uint64_t position = 0;
  for (const auto& [range, name] : order) {
    if (range.first != position) {
      throw Problem{in_quotes(*name) + " begins at byte " + std::to_string(range.first) + " of the data, expected " + std::to_string(position) +
                    (range.first < position ? " (tensors overlap)" : " (a hole before it)")};
    }
    position = range.second;
  }
  if (position != data_bytes) {
    throw Problem{"its tensors need " + std::to_string(position) + " bytes of data, the file has " + std::to_string(data_bytes) +
                  (position > data_bytes ? " (truncated)" : " (bytes behind the last tensor)")};
  }
}

}  // namespace

size_t size_of(Dtype dtype) { return row_of(dtype).size; }
std::string_view name_of(Dtype dtype) { return row_of(dtype).name; }

std::string in_quotes(std::string_view text) {
  constexpr size_t kMost = 80;
  size_t length = std::min(text.size(), kMost);
  while (length > 0 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  std::string out = "'";
  for (const char c : text.substr(0, length)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return out.append(length < text.size() ? "...'" : "'");
}

std::optional<uint64_t> byte_count(Dtype dtype, const std::vector<int64_t>& shape) {
  uint64_t count = size_of(dtype);
  for (const int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(count, static_cast<uint64_t>(size), &count) || count > uint64_t(INT64_MAX)) return std::nullopt;
  return count;
}

std::string parse_header(std::string_view json, uint64_t data_bytes, Header& header) {
  try {
    header = HeaderParser(json).parse();
    check_layout(header, data_bytes);
    return "";
  } catch (const Problem& problem) {
    return problem.text;
  }
}

}  // namespace liere::safetensors

#include "data/prepare/tar.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/check.h"
#include "data/datasets/picture_list.h"

namespace liere {
namespace {

constexpr size_t kBlock = 512;
constexpr uint64_t kMaxNameBytes = 1 << 16;

class TarReader {
 public:
  TarReader(const ReadAt& read, uint64_t begin, uint64_t end, const std::string& path) : read_(read), at_(begin), end_(end), path_(path) {}

  std::vector<TarMember> list() {
    std::vector<TarMember> members;
    std::string long_name;
    std::optional<uint64_t> long_size;
    for (;;) {
      if (end_ - at_ < kBlock) fail("the archive ends without its two blocks of zeros: it was cut");
      read_(at_, header_, kBlock);
      if (std::all_of(header_, header_ + kBlock, [](char c) { return c == 0; })) return members;
      check_sum();
      const char type = header_[156];
      uint64_t size = number(124, 12);
      if (long_size && type != 'x' && type != 'g' && type != 'L' && type != 'K') size = *long_size;
      const uint64_t content = at_ + kBlock;
      if (size > end_ - content) fail("a member of " + std::to_string(size) + " bytes ends behind the archive's end: it was cut");
      if (type == 'L') {
        long_name = text_at(content, size);
        long_name.resize(std::min(long_name.find('\0'), long_name.size()));
      } else if (type == 'x') {
        read_pax(text_at(content, size), long_name, long_size);
      } else if (type != 'K' && type != 'g') {
        if (type == '0' || type == '\0' || type == '7') add(long_name.empty() ? short_name() : long_name, content, size, members);
        long_name.clear();
        long_size.reset();
      }
      const uint64_t padded = (size + kBlock - 1) / kBlock * kBlock;
      at_ = content + std::min(padded, end_ - content);
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(path_ + ", byte " + std::to_string(at_) + ": " + what + "; fetch the archive again.");
  }

  void add(std::string name, uint64_t offset, uint64_t size, std::vector<TarMember>& members) const {
    while (name.starts_with("./")) name.erase(0, 2);
    if (name.ends_with('/')) return;  // an old form of a folder
    if (!stays_below(name)) fail("expected a member's path within the archive, found \"" + name.substr(0, 80) + "\"");
    for (const char c : name)
      if (static_cast<unsigned char>(c) < 32) fail("a member's name holds control characters");
    members.push_back({std::move(name), offset, size});
  }

  void check_sum() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header_[i]);
    if (number(148, 8) != sum) fail("expected a tar header, found a block without its checksum: the file is damaged or no tar archive");
  }

  /// Octal digits, or base 256 when the first bit is set.
  uint64_t number(size_t at, size_t width) const {
    uint64_t value = 0;
    if (static_cast<unsigned char>(header_[at]) & 0x80) {
      for (size_t i = at + width - 8; i < at + width; ++i) value = value << 8 | static_cast<unsigned char>(header_[i]);
      return value;
    }
    size_t i = at;
    while (i < at + width && header_[i] == ' ') ++i;
    for (; i < at + width && header_[i] >= '0' && header_[i] <= '7'; ++i) value = value << 3 | static_cast<uint64_t>(header_[i] - '0');
    if (i < at + width && header_[i] != ' ' && header_[i] != '\0') fail("expected an octal number in the header");
    return value;
  }

  std::string field(size_t at, size_t width) const {
    const std::string_view text(header_ + at, width);
    return std::string(text.substr(0, text.find('\0')));
  }
  std::string short_name() const {
    const bool ustar = std::string_view(header_ + 257, 6) == std::string_view("ustar\0", 6);
    const std::string prefix = ustar ? field(345, 155) : "";
    return prefix.empty() ? field(0, 100) : prefix + "/" + field(0, 100);
  }
  std::string text_at(uint64_t offset, uint64_t size) const {
    if (size > kMaxNameBytes) fail("a name of " + std::to_string(size) + " bytes");
    std::string text(size, '\0');
    read_(offset, text.data(), size);
    return text;
  }

  /// Records "LENGTH KEY=VALUE\n", the length that of the whole record.
  void read_pax(std::string_view text, std::string& name, std::optional<uint64_t>& size) const {
    while (!text.empty()) {
      size_t length = 0;
      const auto [digits, error] = std::from_chars(text.data(), text.data() + text.size(), length);
      const size_t key_at = static_cast<size_t>(digits - text.data()) + 1;
      if (error != std::errc() || length > text.size() || length < key_at + 2 || text[length - 1] != '\n') fail("damaged pax records");
      const auto record = text.substr(key_at, length - key_at - 1);
      const size_t equals = record.find('=');
      if (equals == std::string_view::npos) fail("damaged pax records");
      const auto key = record.substr(0, equals), value = record.substr(equals + 1);
      if (key == "path") name = value;
      if (key == "size") {
        uint64_t bytes = 0;
        const auto [rest, bad] = std::from_chars(value.data(), value.data() + value.size(), bytes);
        if (bad != std::errc() || rest != value.data() + value.size()) fail("damaged pax records");
        size = bytes;
      }
      text.remove_prefix(length);
    }
  }

  const ReadAt& read_;
  uint64_t at_;
  const uint64_t end_;
  const std::string& path_;
  char header_[kBlock];
};

}  // namespace

std::vector<TarMember> list_tar(const ReadAt& read, uint64_t begin, uint64_t end, const std::string& path) { return TarReader(read, begin, end, path).list(); }

}  // namespace liere

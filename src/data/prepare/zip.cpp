#include "data/prepare/zip.h"

#include <zlib.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "core/check.h"
#include "data/datasets/archive_bytes.h"

namespace liere {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56;
constexpr uint16_t kEncrypted = 1, kHeadersMasked = 1 << 13;
constexpr uint16_t kStored = 0, kDeflated = 8, kZip64 = 1;
constexpr size_t kChunk = 1 << 16;

/// Little-endian, from a checked place.
uint64_t number_at(std::string_view bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

class ZipDirectory {
 public:
  ZipDirectory(const ReadAt& read, uint64_t size, const std::string& path, const ZipLimits& limits)
      : read_(read), size_(size), path_(path), limits_(limits) {}

  std::vector<ZipMember> list() {
    find_end();
    if (entries_ > limits_.members || bytes_ > limits_.directory_bytes)
      fail("its directory states " + std::to_string(entries_) + " members in " + std::to_string(bytes_) + " bytes, expected at most " +
           std::to_string(limits_.members) + " in " + std::to_string(limits_.directory_bytes));
    if (offset_ > end_ || bytes_ > end_ - offset_) fail("its directory is stated to end behind the place where it must");
    if (entries_ > bytes_ / kCentralBytes) fail("its directory is too short for the members that it states");
    directory_.resize(bytes_);
    read_(offset_, directory_.data(), directory_.size());
    read_members();
    bound_members();
    return std::move(members_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw DataError(path_ + ": " + what + "; fetch the archive again."); }

  std::string bytes_at(uint64_t offset, uint64_t count) const {
    std::string bytes(count, '\0');
    read_(offset, bytes.data(), bytes.size());
    return bytes;
  }

  /// The end record lies last, before a comment of up to 65,535 bytes; the one whose comment ends with the file is meant.
  void find_end() {
    const uint64_t tail_bytes = std::min<uint64_t>(size_, kEndBytes + 0xffff);
    const std::string tail = bytes_at(size_ - tail_bytes, tail_bytes);
    size_t at = tail_bytes < kEndBytes ? std::string::npos : tail_bytes - kEndBytes;
    for (; at != std::string::npos; at = at == 0 ? std::string::npos : at - 1)
      if (number_at(tail, at, 4) == kEnd && at + kEndBytes + number_at(tail, at + 20, 2) == tail_bytes) break;
    if (at == std::string::npos) fail("expected a zip archive, found no end of its directory: it was cut or is no zip");
    end_ = size_ - tail_bytes + at;
    const uint64_t disk = number_at(tail, at + 4, 2), first_disk = number_at(tail, at + 6, 2), here = number_at(tail, at + 8, 2);
    entries_ = number_at(tail, at + 10, 2), bytes_ = number_at(tail, at + 12, 4), offset_ = number_at(tail, at + 16, 4);
    if (end_ >= kLocatorBytes && entries_or_places_full()) {
      const std::string locator = bytes_at(end_ - kLocatorBytes, kLocatorBytes);
      if (number_at(locator, 0, 4) == kLocator64) return read_end64(locator);
    }
    if (disk != 0 || first_disk != 0 || here != entries_) fail("it is one part of several; join them to one archive");
  }
  bool entries_or_places_full() const { return entries_ == 0xffff || bytes_ == 0xffffffff || offset_ == 0xffffffff; }

  void read_end64(const std::string& locator) {
    const uint64_t at = number_at(locator, 8, 8), last = end_ - kLocatorBytes;
    if (number_at(locator, 4, 4) != 0 || number_at(locator, 16, 4) > 1) fail("it is one part of several; join them to one archive");
    if (at > last || last - at < kEnd64Bytes) fail("the end of its zip64 directory is stated to lie behind its own place");
    const std::string record = bytes_at(at, kEnd64Bytes);
    if (number_at(record, 0, 4) != kEnd64) fail("expected the end of a zip64 directory at byte " + std::to_string(at));
    entries_ = number_at(record, 32, 8), bytes_ = number_at(record, 40, 8), offset_ = number_at(record, 48, 8);
    if (number_at(record, 16, 4) != 0 || number_at(record, 20, 4) != 0 || number_at(record, 24, 8) != entries_)
      fail("it is one part of several; join them to one archive");
    end_ = at;
  }

  void read_members() {
    std::unordered_set<std::string_view> names;
    const std::string_view directory = directory_;
    uint64_t number = 0;
    size_t at = 0;
    for (; number < entries_; ++number) {
      const std::string who = "member " + std::to_string(number + 1);
      if (directory.size() - at < kCentralBytes || number_at(directory, at, 4) != kCentral) fail(who + " of its directory is damaged");
      const uint64_t name = number_at(directory, at + 28, 2), extra = number_at(directory, at + 30, 2), comment = number_at(directory, at + 32, 2);
      if (directory.size() - at - kCentralBytes < name + extra + comment) fail(who + " of its directory ends behind the directory");
      if (number_at(directory, at + 8, 2) & (kEncrypted | kHeadersMasked)) fail(who + " is encrypted, expected a plain archive");
      ZipMember member;
      member.number = number + 1;
      member.name = directory.substr(at + kCentralBytes, name);
      member.method = static_cast<uint16_t>(number_at(directory, at + 10, 2));
      member.crc = static_cast<uint32_t>(number_at(directory, at + 16, 4));
      member.packed = number_at(directory, at + 20, 4), member.size = number_at(directory, at + 24, 4),
      member.header = number_at(directory, at + 42, 4);
      read_zip64(directory.substr(at + kCentralBytes + name, extra), who, member);
      if (!names.insert(directory.substr(at + kCentralBytes, name)).second) fail(who + " has the name of another member");
      if (member.header >= offset_ || offset_ - member.header < kLocalBytes + name || member.packed > offset_ - member.header - kLocalBytes - name)
        fail(who + " is stated to end behind the place where the directory begins");
      kinds_.push_back(number_at(directory, at + 5, 1) == 3 ? number_at(directory, at + 40, 2) >> 12 : 0);  // of a Unix file: link, folder, regular
      members_.push_back(std::move(member));
      at += kCentralBytes + name + extra + comment;
    }
    if (at != directory.size()) fail("its directory holds " + std::to_string(directory.size() - at) + " bytes more than the members that it states");
  }

  /// Values that do not fit into 32 bits, in this order and only those.
  void read_zip64(std::string_view extra, const std::string& who, ZipMember& member) const {
    while (extra.size() >= 4) {
      const uint64_t tag = number_at(extra, 0, 2), length = number_at(extra, 2, 2);
      if (length > extra.size() - 4) fail(who + " of its directory is damaged");
      std::string_view field = extra.substr(4, length);
      extra.remove_prefix(4 + length);
      if (tag != kZip64) continue;
      for (uint64_t* value : {&member.size, &member.packed, &member.header}) {
        if (*value != 0xffffffff) continue;
        if (field.size() < 8) fail(who + " of its directory lacks a size of zip64");
        *value = number_at(field, 0, 8);
        field.remove_prefix(8);
      }
      return;
    }
  }

  /// Nothing lies in two members: many small members over one block of data are how a few megabytes become petabytes.
  void bound_members() {
    std::vector<size_t> order(members_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return members_[a].header < members_[b].header; });
    for (size_t i = 0; i < order.size(); ++i) {
      ZipMember& member = members_[order[i]];
      member.limit = i + 1 < order.size() ? members_[order[i + 1]].header : offset_;
      const uint64_t room = member.limit - member.header, needed = kLocalBytes + member.name.size();
      if (room < needed || room - needed < member.packed) fail("member " + std::to_string(member.number) + " overlaps another one");
    }
    std::vector<ZipMember> files;
    for (size_t i = 0; i < members_.size(); ++i)
      if (!members_[i].name.ends_with('/') && (kinds_[i] == 0 || kinds_[i] == 8)) files.push_back(std::move(members_[i]));
    members_ = std::move(files);
  }

  const ReadAt& read_;
  const uint64_t size_;
  const std::string& path_;
  const ZipLimits& limits_;
  uint64_t entries_ = 0, bytes_ = 0, offset_ = 0, end_ = 0;  // end_: of the directory
  std::string directory_;
  std::vector<ZipMember> members_;
  std::vector<uint64_t> kinds_;
};

/// Closed with the object.
struct Inflation {
  z_stream stream{};
  Inflation() {
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw Error(ExitCode::kFailure, "out of memory while an archive was read.");
  }
  ~Inflation() { inflateEnd(&stream); }
};

/// Fills `content`. `all`: which is as long as stated, and what would come behind it is never made. False: damaged, shorter or longer than stated.
bool inflate_into(std::string& content, bool all, const ReadAt& read, uint64_t offset, uint64_t packed) {
  Inflation inflation;
  z_stream& stream = inflation.stream;
  std::string chunk(std::min<uint64_t>(packed, all ? kChunk : std::clamp<size_t>(content.size(), 1, kChunk)), '\0');
  char beyond = 0;
  uint64_t made = 0;
  for (int code = Z_OK; code != Z_STREAM_END;) {
    if (!all && made == content.size()) return true;
    if (stream.avail_in == 0) {
      if (packed == 0) return false;
      const auto count = static_cast<size_t>(std::min<uint64_t>(packed, chunk.size()));
      read(offset, chunk.data(), count);
      offset += count, packed -= count;
      stream.next_in = reinterpret_cast<Bytef*>(chunk.data()), stream.avail_in = static_cast<uInt>(count);
    }
    const bool full = made == content.size();
    const auto room = full ? uint64_t(1) : std::min<uint64_t>(content.size() - made, uint64_t(1) << 30);
    stream.next_out = reinterpret_cast<Bytef*>(full ? &beyond : content.data() + made), stream.avail_out = static_cast<uInt>(room);
    code = inflate(&stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return false;
    const uint64_t got = room - stream.avail_out;
    if (full && got > 0) return false;
    made += full ? 0 : got;
  }
  return made == content.size() && packed == 0 && stream.avail_in == 0;
}

/// The first `count` bytes, all of them checked by their CRC-32.
std::string read_member(const ReadAt& read, const ZipMember& member, const std::string& path, uint64_t count, const ZipLimits& limits) {
  const auto fail = [&](const std::string& what) { throw DataError(path + ", member " + std::to_string(member.number) + ": " + what + "."); };
  if (member.method != kStored && member.method != kDeflated)
    fail("expected stored or deflated data, found compression method " + std::to_string(member.method) + "; pack the archive again");
  if (member.size > limits.member_bytes)
    fail("its size is stated as " + std::to_string(member.size) + " bytes, expected at most " + std::to_string(limits.member_bytes));
  if (static_cast<double>(member.size) > limits.ratio * static_cast<double>(member.packed) ||
      (member.method == kStored && member.size != member.packed))
    fail(std::to_string(member.packed) + " bytes cannot hold the " + std::to_string(member.size) + " that are stated");
  std::string header(kLocalBytes + member.name.size(), '\0');
  read(member.header, header.data(), header.size());
  const uint64_t name = number_at(header, 26, 2), data = member.header + kLocalBytes + name + number_at(header, 28, 2);
  if (number_at(header, 0, 4) != kLocal || name != member.name.size() || header.compare(kLocalBytes, name, member.name) != 0 ||
      number_at(header, 8, 2) != member.method || (number_at(header, 6, 2) & kEncrypted))
    fail("its own header differs from the archive's directory; fetch the archive again");
  if (data > member.limit || member.packed > member.limit - data) fail("it ends behind the place where the next one begins; fetch the archive again");
  std::string content(std::min(count, member.size), '\0');
  const bool all = content.size() == member.size;
  if (member.method == kStored)
    read(data, content.data(), content.size());
  else if (!inflate_into(content, all, read, data, member.packed))
    fail("its data are damaged, or not of the " + std::to_string(member.size) + " bytes that are stated; fetch the archive again");
  if (all && crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()) != member.crc)
    fail("its CRC-32 is not the one that is stated; fetch the archive again");
  return content;
}

}  // namespace

std::vector<ZipMember> list_zip(const ReadAt& read, uint64_t size, const std::string& path, const ZipLimits& limits) {
  return ZipDirectory(read, size, path, limits).list();
}

std::string read_zip_member(const ReadAt& read, const ZipMember& member, const std::string& path, const ZipLimits& limits) {
  return read_member(read, member, path, member.size, limits);
}

std::string read_zip_member_head(const ReadAt& read, const ZipMember& member, const std::string& path, size_t count, const ZipLimits& limits) {
  return read_member(read, member, path, count, limits);
}

struct ZipArchive::State {
  explicit State(const std::filesystem::path& path, const ZipLimits& given) : bytes(path), limits(given) {
    read = [this](uint64_t offset, char* to, size_t count) { bytes.read_into(offset, to, count, bytes.path()); };
    members = list_zip(read, std::filesystem::file_size(path), path.string(), limits);
  }
  ArchiveBytes bytes;
  ZipLimits limits;
  ReadAt read;
  std::vector<ZipMember> members;
};

ZipArchive::ZipArchive(const std::filesystem::path& path, const ZipLimits& limits) : state_(std::make_unique<State>(path, limits)) {}
ZipArchive::~ZipArchive() = default;
const std::vector<ZipMember>& ZipArchive::members() const { return state_->members; }
std::string ZipArchive::read(const ZipMember& member) const { return read_zip_member(state_->read, member, state_->bytes.path(), state_->limits); }
std::string ZipArchive::read_head(const ZipMember& member, size_t count) const {
  return read_zip_member_head(state_->read, member, state_->bytes.path(), count, state_->limits);
}

}  // namespace liere

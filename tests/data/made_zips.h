// Zip archives byte by byte, as the writers in use make them and as nobody should.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace liere::test {

struct MadeMember {
  std::string name, content;
  bool deflated = false, descriptor = false, zip64 = false;
  uint16_t flags = 0, method = 0xffff;           // 0xffff: as `deflated` says
  int64_t stated_size = -1, stated_packed = -1;  // in the directory; -1: the true ones
  uint32_t attributes = 0100644u << 16;
  std::string local_name;  // empty: `name`
};

inline std::string little(uint64_t value, int width) {
  std::string text;
  for (int i = 0; i < width; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

inline std::string deflated(const std::string& content) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  std::string packed(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
}

/// With `zip64`, the archive's end is written in both forms, as for more than 65,535 members.
inline std::string made_zip(const std::vector<MadeMember>& members, bool zip64 = false, const std::string& comment = "") {
  std::string bytes, directory;
  for (const auto& member : members) {
    const std::string packed = member.deflated ? deflated(member.content) : member.content;
    const uint16_t method = member.method != 0xffff ? member.method : member.deflated ? 8 : 0;
    const uint16_t flags = static_cast<uint16_t>(member.flags | (member.descriptor ? 8 : 0));
    const uint64_t crc = crc32(0, reinterpret_cast<const Bytef*>(member.content.data()), static_cast<uInt>(member.content.size()));
    const uint64_t size = member.stated_size >= 0 ? static_cast<uint64_t>(member.stated_size) : member.content.size();
    const uint64_t stated = member.stated_packed >= 0 ? static_cast<uint64_t>(member.stated_packed) : packed.size();
    const uint64_t offset = bytes.size();
    const auto& local = member.local_name.empty() ? member.name : member.local_name;
    const bool later = member.descriptor;
    bytes += little(0x04034b50, 4) + little(20, 2) + little(flags, 2) + little(method, 2) + little(0, 4) + little(later ? 0 : crc, 4) +
             little(later ? 0 : stated, 4) + little(later ? 0 : size, 4) + little(local.size(), 2) + little(0, 2) + local + packed;
    if (later) bytes += little(0x08074b50, 4) + little(crc, 4) + little(stated, 4) + little(size, 4);
    const std::string extra = member.zip64 ? little(1, 2) + little(24, 2) + little(size, 8) + little(stated, 8) + little(offset, 8) : "";
    const auto field = [&](uint64_t value) { return little(member.zip64 ? 0xffffffff : value, 4); };
    directory += little(0x02014b50, 4) + little(3 << 8 | 20, 2) + little(20, 2) + little(flags, 2) + little(method, 2) + little(0, 4) +
                 little(crc, 4) + field(stated) + field(size) + little(member.name.size(), 2) + little(extra.size(), 2) + little(0, 2) +
                 little(0, 2) + little(0, 2) + little(member.attributes, 4) + field(offset) + member.name + extra;
  }
  const uint64_t at = bytes.size(), count = members.size();
  bytes += directory;
  if (zip64) {
    const uint64_t end = bytes.size();
    bytes += little(0x06064b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 4) + little(0, 4) + little(count, 8) +
             little(count, 8) + little(directory.size(), 8) + little(at, 8);
    bytes += little(0x07064b50, 4) + little(0, 4) + little(end, 8) + little(1, 4);
  }
  bytes += little(0x06054b50, 4) + little(0, 2) + little(0, 2) + little(zip64 ? 0xffff : count, 2) + little(zip64 ? 0xffff : count, 2) +
           little(zip64 ? 0xffffffff : directory.size(), 4) + little(zip64 ? 0xffffffff : at, 4) + little(comment.size(), 2) + comment;
  return bytes;
}

}  // namespace liere::test

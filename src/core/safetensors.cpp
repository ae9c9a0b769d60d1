#include "core/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/files.h"
#include "core/safetensors_header.h"

namespace liere::safetensors {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian; this machine would need a byte swap");

// What a file that is no safetensors file looks like by its first bytes; empty when unknown.
std::string foreign_format(std::string_view bytes) {
  const auto starts = [bytes](std::string_view magic) { return bytes.substr(0, magic.size()) == magic; };
  if (starts("PK\x03\x04") || starts("PK\x05\x06")) return "a zip archive (torch.save or TorchScript)";
  if (bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 1 && bytes[1] <= 5) return "a Python pickle (old torch.save)";
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") return "a tar archive (very old torch.save)";
  if (starts("\x89HDF")) return "an HDF5 file";
  if (starts("\x93NUMPY")) return "a NumPy array";
  if (starts("\x1F\x8B")) return "gzip-compressed";
  if (bytes.size() > 2 && std::string_view("(c]}").find(bytes[0]) != std::string_view::npos && bytes.back() == '.')
    return "a Python pickle (protocol 0)";
  return "";
}

std::string errno_text(int error) { return std::generic_category().message(error); }
[[noreturn]] void throw_errno() { throw std::system_error(errno, std::generic_category()); }

void close_quietly(int fd) {
  const int saved = errno;
  ::close(fd);
  errno = saved;
}

void write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    // Linux moves at most 2 GiB a call.
    const ssize_t written = ::write(fd, data, std::min<size_t>(size, size_t(1) << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;
    if (written <= 0) throw_errno();
    data += written;
    size -= static_cast<size_t>(written);
  }
}

void sync(int fd) {
  while (::fsync(fd) != 0)
    if (errno != EINTR) throw_errno();
}

int create_beside(const std::filesystem::path& path, std::filesystem::path& temporary) {
  static std::atomic<unsigned> count = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary = path;
    temporary += std::string(".").append(std::to_string(::getpid())).append("-").append(std::to_string(count++)).append(".tmp");
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd >= 0) return fd;
    if (errno != EEXIST && errno != EINTR) throw_errno();
  }
  throw std::system_error(EEXIST, std::generic_category());
}

void check_tensors(const std::vector<TensorView>& tensors) {
  std::set<std::string_view> names;
  for (const TensorView& tensor : tensors) {
    if (tensor.name == kMetadata) throw CheckpointError("safetensors: a tensor must not be named '__metadata__'");
    if (!names.insert(tensor.name).second) throw CheckpointError("safetensors: two tensors are named " + in_quotes(tensor.name));
    const std::optional<uint64_t> bytes = byte_count(tensor.dtype, tensor.shape);
    if (!bytes) throw CheckpointError("safetensors: tensor " + in_quotes(tensor.name) + " has a negative or overflowing shape");
    if (*bytes != tensor.data.size()) {
      throw CheckpointError("safetensors: tensor " + in_quotes(tensor.name) + " needs " + std::to_string(*bytes) +
                            " bytes by its shape and dtype, but " + std::to_string(tensor.data.size()) + " were given");
    }
  }
}

std::string json_string(const std::string& text, const std::string& where) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw CheckpointError("safetensors: " + where + " " + in_quotes(text) + " is not valid UTF-8");
  }
}

}  // namespace

struct File::Mapping {
  std::filesystem::path path;
  const std::byte* bytes = nullptr;
  uint64_t size = 0, data_begin = 0;
  Header header;

  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (bytes != nullptr) ::munmap(const_cast<std::byte*>(bytes), size);
  }

  void map() {
    // O_NONBLOCK: a FIFO is refused instead of waited for.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) throw CheckpointError(path.string() + " cannot be opened: " + errno_text(errno));
    struct stat status {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(fd);
      throw CheckpointError(path.string() + " is not a regular file");
    }
    size = static_cast<uint64_t>(status.st_size);
    if (size > 0) {
      void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
      if (address == MAP_FAILED) {
        close_quietly(fd);
        throw CheckpointError(path.string() + " cannot be mapped: " + errno_text(errno));
      }
      bytes = static_cast<const std::byte*>(address);
    }
    ::close(fd);
  }

  void validate() {
    const std::string_view content(reinterpret_cast<const char*>(bytes), size);
    uint64_t length = 0;
    if (size >= 8) std::memcpy(&length, bytes, 8);
    const bool plausible = size >= 8 && length >= 2 && length <= kHeaderCap && length <= size - 8 && content[8] == '{';
    if (!plausible) {
      if (const std::string format = foreign_format(content); !format.empty()) {
        throw CheckpointError(
            path.string() + " is " + format +
            ", not a safetensors file. Such files can run code when read and are refused: convert it to safetensors with Python, where you trust it");
      }
      refuse(length);
    }
    const std::string problem = parse_header(content.substr(8, length), size - 8 - length, header);
    if (!problem.empty()) throw CheckpointError(path.string() + " is not a valid safetensors file: in its header, " + problem);
    data_begin = 8 + length;
  }

  [[noreturn]] void refuse(uint64_t length) const {
    const std::string start = path.string() + " is not a valid safetensors file: ";
    if (size < 8) throw CheckpointError(start + "it has " + std::to_string(size) + " bytes, expected at least 10 (truncated?)");
    if (length > kHeaderCap)
      throw CheckpointError(start + "its first 8 bytes announce a header of " + std::to_string(length) + " bytes; at most 16 MiB are allowed");
    if (length > size - 8) {
      throw CheckpointError(start + "its header should have " + std::to_string(length) + " bytes, but only " + std::to_string(size - 8) +
                            " follow (truncated?)");
    }
    throw CheckpointError(start + "its header must be a JSON object that starts with '{' at byte 8");
  }
};

File File::open(const std::filesystem::path& path) {
  auto mapping = std::make_shared<Mapping>();
  mapping->path = path;
  mapping->map();
  mapping->validate();
  File file;
  file.mapping_ = std::move(mapping);
  return file;
}

const std::map<std::string, std::string>& File::metadata() const { return mapping_->header.metadata; }
const std::map<std::string, TensorInfo>& File::tensors() const { return mapping_->header.tensors; }
bool File::contains(const std::string& name) const { return mapping_->header.tensors.contains(name); }

const TensorInfo& File::info(const std::string& name) const {
  const auto found = mapping_->header.tensors.find(name);
  if (found == mapping_->header.tensors.end()) {
    throw CheckpointError(mapping_->path.string() + " has no tensor " + in_quotes(name) + " (it has " + std::to_string(tensors().size()) +
                          " tensors)");
  }
  return found->second;
}

std::span<const std::byte> File::data(const std::string& name) const {
  const TensorInfo& tensor = info(name);
  return {mapping_->bytes + mapping_->data_begin + tensor.begin, tensor.end - tensor.begin};
}

std::span<const std::byte> File::header_bytes() const { return {mapping_->bytes, mapping_->data_begin}; }

std::string header(const std::vector<TensorView>& tensors, const std::map<std::string, std::string>& metadata) {
  check_tensors(tensors);
  std::string json = "{";
  const auto separator = [&json] { return json.back() == '{' ? "" : ","; };
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      json.append(separator()).append(json_string(key, "metadata key")).append(":");
      json.append(json_string(value, "the value of metadata key " + in_quotes(key) + ","));
    }
    json += "}";
  }
  uint64_t position = 0;
  for (const TensorView& tensor : tensors) {
    json.append(separator()).append(json_string(tensor.name, "tensor name"));
    json.append(":{\"dtype\":\"").append(name_of(tensor.dtype)).append("\",\"shape\":[");
    for (size_t i = 0; i < tensor.shape.size(); ++i) json.append(i > 0 ? "," : "").append(std::to_string(tensor.shape[i]));
    json.append("],\"data_offsets\":[")
        .append(std::to_string(position))
        .append(",")
        .append(std::to_string(position + tensor.data.size()))
        .append("]}");
    position += tensor.data.size();
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > kHeaderCap)
    throw CheckpointError("safetensors: the header would have " + std::to_string(json.size()) + " bytes; at most 16 MiB are allowed");
  const uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + json;
}

void write(const std::filesystem::path& path, const std::vector<TensorView>& tensors, const std::map<std::string, std::string>& metadata) {
  write(path, header(tensors, metadata), tensors);
}

void write(const std::filesystem::path& path, const std::string& header, const std::vector<TensorView>& tensors, const Publish& publish) {
  check_tensors(tensors);
  uint64_t length = 0, data_bytes = 0, position = 0;
  for (const TensorView& tensor : tensors) data_bytes += tensor.data.size();
  if (header.size() >= 8) std::memcpy(&length, header.data(), 8);
  Header parsed;
  std::string problem = header.size() < 10 || length != header.size() - 8 ? "its length is wrong"
                                                                          : parse_header(std::string_view(header).substr(8), data_bytes, parsed);
  if (problem.empty() && parsed.tensors.size() != tensors.size()) problem = "it describes other tensors than those to be written";
  for (const TensorView& tensor : tensors) {
    if (!problem.empty()) break;
    const auto found = parsed.tensors.find(tensor.name);
    if (found == parsed.tensors.end() || found->second.dtype != tensor.dtype || found->second.shape != tensor.shape ||
        found->second.begin != position) {
      problem = "tensor " + in_quotes(tensor.name) + " differs from its entry";
    }
    position += tensor.data.size();
  }
  if (!problem.empty()) throw CheckpointError(path.string() + " was not written: the given header is not valid, " + problem);

  std::filesystem::path temporary;
  int fd = -1;
  bool created = false, renamed = false;
  try {
    fd = create_beside(path, temporary);
    created = true;
    if (::fchmod(fd, 0644) != 0) throw_errno();
    write_all(fd, header.data(), header.size());
    for (const TensorView& tensor : tensors) write_all(fd, reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
    sync(fd);
    if (::close(std::exchange(fd, -1)) != 0 && errno != EINTR) throw_errno();
    const auto rename = [&] {
      if (::rename(temporary.c_str(), path.c_str()) != 0) throw_errno();
      created = false;
      renamed = true;
    };
    publish ? publish(temporary, rename) : rename();
    sync_folder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
  } catch (const std::system_error& error) {
    if (fd >= 0) ::close(fd);
    if (created) ::unlink(temporary.c_str());
    if (renamed)
      throw CheckpointError(path.string() + " was written, but its folder could not be synchronised with the disk: " + error.code().message());
    throw CheckpointError(path.string() + " could not be written: " + error.code().message() + ". The previous file, if any, is unchanged.");
  } catch (...) {
    if (fd >= 0) ::close(fd);
    if (created) ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace liere::safetensors

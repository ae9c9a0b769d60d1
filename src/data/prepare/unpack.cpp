#include "data/prepare/unpack.h"

#include "core/check.h"

#ifdef LIERE_ARCHIVE
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "core/log.h"
#include "data/datasets/picture_list.h"
#include "data/prepare/archive_sum.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using Archive = std::unique_ptr<archive, int (*)(archive*)>;

struct Unpacking {
  Archive reader{nullptr, archive_read_free};
  fs::path path, root;

  [[noreturn]] void fail(const std::string& what) const { throw DataError(path.string() + ": " + what + "; fetch it again."); }
  std::string reason() const {
    const char* text = archive_error_string(reader.get());
    return text ? text : "no reason given";
  }
  [[noreturn]] void fail_to_write(const fs::path& file) const {
    throw Error(ExitCode::kFailure, "cannot write " + file.string() + ": " + std::strerror(errno) +
                                        ". Check the folder, its permissions and free space; run the same command again to go on.");
  }

  /// Made here, or a real folder: a link below the root could lead out of it.
  void make_folders(const fs::path& relative) const {
    fs::path folder = root;
    for (const auto& part : relative) {
      folder /= part;
      std::error_code error;
      const auto status = fs::symlink_status(folder, error);
      if (status.type() == fs::file_type::directory) continue;
      if (status.type() != fs::file_type::not_found) fail(folder.string() + " is no folder, but files are to be unpacked below it");
      if (!fs::create_directory(folder, error) && error)
        throw Error(ExitCode::kFailure, "the folder " + folder.string() + " cannot be made: " + error.message() + ".");
    }
  }

  void write_member(const fs::path& target, const std::string& name, uint64_t size) const {
    const fs::path part = target.string() + ".part";
    struct File {
      int value;
      ~File() { ::close(value); }
    };
    uint64_t written = 0;
    {
      fs::remove(part);  // of a run that was stopped; also a link that was put there
      const File file{::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)};
      if (file.value < 0) fail_to_write(part);
      const void* block = nullptr;
      size_t bytes = 0;
      la_int64_t offset = 0;
      for (int code; (code = archive_read_data_block(reader.get(), &block, &bytes, &offset)) != ARCHIVE_EOF;) {
        if (code != ARCHIVE_OK) fail(name + " cannot be unpacked: " + reason());
        if (static_cast<uint64_t>(offset) != written || bytes > size - written)
          fail(name + " is longer than the " + std::to_string(size) + " bytes that the archive states, or has holes");
        for (const char* at = static_cast<const char*>(block); bytes > 0;) {
          const ssize_t put = ::write(file.value, at, bytes);
          if (put < 0 && errno == EINTR) continue;
          if (put <= 0) fail_to_write(part);
          at += put, bytes -= static_cast<size_t>(put), written += static_cast<uint64_t>(put);
        }
      }
    }
    if (written != size) fail(name + " has " + std::to_string(written) + " bytes, the archive states " + std::to_string(size));
    fs::rename(part, target);
  }
};

}  // namespace

bool unpacking_supported() { return true; }

Unpacked unpack_archive(const fs::path& path, const fs::path& root, const std::function<bool(std::string_view path)>& wanted) {
  Unpacking unpacking;
  unpacking.reader.reset(archive_read_new());
  unpacking.path = path;
  unpacking.root = root;
  archive* const reader = unpacking.reader.get();
  archive_read_support_filter_all(reader);
  archive_read_support_format_all(reader);
  if (archive_read_open_filename(reader, path.c_str(), 1 << 20) != ARCHIVE_OK)
    unpacking.fail("expected an archive, found a file that cannot be read as one (" + unpacking.reason() + ")");
  Unpacked result;
  const auto total = static_cast<int64_t>(fs::file_size(path));
  ProgressLine progress("unpacking " + path.filename().string() + " (MiB)", (total >> 20) + 1);
  archive_entry* entry = nullptr;
  for (int code; (code = archive_read_next_header(reader, &entry)) != ARCHIVE_EOF;) {
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
      unpacking.fail("it is damaged behind " + format_count(result.files + result.kept) + " files: " + unpacking.reason());
    stop_if_asked("while " + path.filename().string() + " was unpacked", "run the same command again to go on");
    const char* given = archive_entry_pathname(entry);
    std::string name = given ? given : "";
    while (name.starts_with("./")) name.erase(0, 2);
    const bool folder = archive_entry_filetype(entry) == AE_IFDIR;
    if (!folder || !name.empty()) {
      const std::string bare = folder && name.ends_with('/') ? name.substr(0, name.size() - 1) : name;
      if (!stays_below(bare) || bare.find('\\') != std::string::npos)
        unpacking.fail("the path \"" + name.substr(0, 200) + "\" in it leaves the folder that it is unpacked to");
    }
    if (folder || !wanted(name)) {
      result.passed_over += !folder;
      continue;
    }
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
      unpacking.fail(name + " in it is a link or a device, expected a file");
    if (!archive_entry_size_is_set(entry)) unpacking.fail("the size of " + name + " in it is not stated");
    const auto size = static_cast<uint64_t>(archive_entry_size(entry));
    if (size > kMaxUnpackedBytes)
      unpacking.fail(name + " in it has " + std::to_string(size) + " bytes, expected at most " + std::to_string(kMaxUnpackedBytes));
    const fs::path target = root / name;
    std::error_code absent;
    if (fs::is_regular_file(fs::symlink_status(target, absent)) && fs::file_size(target, absent) == size && !absent)
      ++result.kept;
    else {
      unpacking.make_folders(fs::path(name).parent_path());
      unpacking.write_member(target, name, size);
      ++result.files, result.bytes += size;
    }
    progress.update(archive_filter_bytes(reader, -1) >> 20, format_count(result.files + result.kept) + " files");
  }
  progress.finish();
  return result;
}

}  // namespace liere
#else
namespace liere {
bool unpacking_supported() { return false; }
Unpacked unpack_archive(const std::filesystem::path& archive, const std::filesystem::path&, const std::function<bool(std::string_view)>&) {
  throw ConfigError(archive.string() +
                    " cannot be unpacked: this program was built without libarchive. Install libarchive-dev and build it again (LIERE_ARCHIVE), or "
                    "unpack it by hand and name the folder with --from.");
}
}  // namespace liere
#endif

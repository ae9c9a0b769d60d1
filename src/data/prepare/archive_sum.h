// The MD5 of an archive of many gigabytes: read once, with progress; an interruption is noted in a state file and the next call goes on from there.
#pragma once

#include <filesystem>
#include <string>

namespace liere {

/// 32 lower-case hexadecimal digits. `state`: a file for what has been found so far, also of other archives: an archive whose size and time have not changed since is
/// not read again. Throws DataError when the file cannot be read, Error(kStoppedEarly) after a stop signal.
std::string archive_md5(const std::filesystem::path& archive, const std::filesystem::path& state);

/// Throws Error(kStoppedEarly) saying how to go on, once a stop signal has come.
void stop_if_asked(const std::string& what, const std::string& how_to_go_on);

}  // namespace liere

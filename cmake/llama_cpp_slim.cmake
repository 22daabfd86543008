# Read by CMake right after llama-cpp-python's own project() line. Its CMakeLists forces
# llama.cpp's `common` library on, which only the command-line tools and the multimodal
# library need; a normal variable set here wins over that cache entry (policies CMP0077 and CMP0126).
set(LLAMA_BUILD_COMMON OFF)

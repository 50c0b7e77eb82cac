# Compiler options, the same for every room. clang 19 over libstdc++ 12; warnings are errors.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON) # TRY uses statement expressions
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
option(GONIEC_TESTS "build the unit tests" ON)
option(GONIEC_FUZZ "build the fuzz targets with libFuzzer" OFF)
set(GONIEC_SANITIZE "" CACHE STRING "sanitizers, e.g. address,undefined")

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "goniec is built with clang 19 (g++ 12 destroys temporaries twice in some co_await expressions): "
    "use the presets, ./x build does")
endif()

add_library(goniec_options INTERFACE)
target_compile_options(goniec_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wimplicit-fallthrough
  -Wno-gnu-statement-expression -Wno-gnu-statement-expression-from-macro-expansion -Wno-missing-designated-field-initializers
  -Wno-vla-cxx-extension -Wno-missing-field-initializers
  -fno-omit-frame-pointer -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_compile_definitions(goniec_options INTERFACE GONIEC_VERSION="${PROJECT_VERSION}")
target_link_options(goniec_options INTERFACE -fuse-ld=lld)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT GONIEC_SANITIZE)
  target_compile_options(goniec_options INTERFACE -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
  target_compile_definitions(goniec_options INTERFACE _FORTIFY_SOURCE=2 _GLIBCXX_ASSERTIONS)
  target_link_options(goniec_options INTERFACE -Wl,-z,relro,-z,now)
endif()
if(GONIEC_SANITIZE)
  target_compile_options(goniec_options INTERFACE -fsanitize=${GONIEC_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(goniec_options INTERFACE -fsanitize=${GONIEC_SANITIZE})
endif()
if(GONIEC_FUZZ)
  target_compile_options(goniec_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

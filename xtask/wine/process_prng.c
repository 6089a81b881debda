/* bcryptprimitives.dll for a Wine that lacks it: the one function that Rust's standard library imports,
   on top of RtlGenRandom, which advapi32 exports as SystemFunction036. */

#include <windows.h>

BOOLEAN WINAPI SystemFunction036(PVOID data, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    const SIZE_T most = 1 << 20;

    while (length > 0) {
        const SIZE_T part = length < most ? length : most;

        if (!SystemFunction036(data, (ULONG)part))
            return FALSE;
        data += part;
        length -= part;
    }
    return TRUE;
}

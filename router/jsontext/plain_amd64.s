//go:build !purego

#include "textflag.h"

DATA turn<>+0(SB)/1, $0x02
GLOBL turn<>(SB), RODATA|NOPTR, $1
DATA below<>+0(SB)/1, $0x21
GLOBL below<>(SB), RODATA|NOPTR, $1
DATA back<>+0(SB)/1, $0x5c
GLOBL back<>(SB), RODATA|NOPTR, $1

// func plainBlocks(p *byte, n int) int
//
// A byte is special when, with bit 1 turned, it is less than '!' as a signed number (quotes and control characters, and
// what is beyond ASCII, which is negative), or when it is a backslash.
TEXT ·plainBlocks(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	ANDQ $-64, CX
	XORL AX, AX
	VPBROADCASTB turn<>(SB), Y13
	VPBROADCASTB below<>(SB), Y14
	VPBROADCASTB back<>(SB), Y15

next:
	CMPQ AX, CX
	JAE  none
	VPXOR    (SI)(AX*1), Y13, Y0
	VPXOR    32(SI)(AX*1), Y13, Y1
	VPCMPEQB (SI)(AX*1), Y15, Y2
	VPCMPEQB 32(SI)(AX*1), Y15, Y3
	VPCMPGTB Y0, Y14, Y0
	VPCMPGTB Y1, Y14, Y1
	VPOR     Y0, Y2, Y0
	VPOR     Y1, Y3, Y1
	VPOR     Y0, Y1, Y2
	ADDQ     $64, AX
	VPTEST   Y2, Y2
	JZ       next

	VPMOVMSKB Y0, R8
	VPMOVMSKB Y1, R9
	SHLQ      $32, R9
	ORQ       R9, R8
	BSFQ      R8, R8
	LEAQ      -64(AX)(R8*1), AX

none:
	VZEROUPPER
	MOVQ AX, ret+16(FP)
	RET

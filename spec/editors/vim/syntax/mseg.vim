" Made by go test ./spec -update; do not edit.
if exists("b:current_syntax")
  finish
endif

" Names first: of two items that begin at one place Vim takes the later one, keywords before all.
syntax match msegName /\<\h\w*\>/
syntax match msegBuiltin /\<\%(abs\|adamw\|adapt\|adaptable\|assd\|augment\|average\|batch_dice\|bce\|best\|best_of_masks\|boundary_iou\|box\|box_ellipse\|box_fill\|by\|cldice\|clip\|columns\|compare\|concat\|constant\|conv\|convolve\|crop\|custom_network\|dice\|dilate\|distance\|dropout\|equal\|erode\|evaluate\|exp\|expert\|extend\|finetune\|focus\|gates\|gelu\|hd95\|hierarchy\|higher_is_better\|instance_norm\|iou\|last\|layer_norm\|linear\|log\|lower_is_better\|masd\|mask\|max\|max_pool\|maximum\|mean\|medsam\|medsegdb\|min\|minimum\|mixture\|nnunet\|none\|nsd\|patches\|patience\|percentile\|phantom\|points\|poly\|pow\|precision\|prep\|quality\|refine\|relu\|report\|residual_unet\|resize\|route\|rows\|rvd\|sam\|sam_med2d\|sam_tiny\|sam_vit_b\|sam_vit_h\|sam_vit_l\|sensitivity\|sgd\|shared\|shift\|sigmoid\|slices\|sliding\|soft\|softmax\|softplus\|specificity\|sqrt\|step_decay\|stop_gradient\|sum\|take\|tanh\|top\|train\|unet\|unplaced\|vit\|volumes\|warmup_cosine\|where\|window\)\>/
syntax match msegType /\<\%(number\|int\|string\|bool\|data\|prep\|split\|taxonomy\|experts\|model\|eval\|compare\|figure\|report\)\>\ze\s*\%([,)=?]\|in\>\|$\)/
syntax match msegKey /\<\h\w*\>\ze\s*:/
syntax match msegControl /\<\%(else\|for\|if\)\>/
syntax match msegWordOperator /\<\%(and\|in\|not\|or\)\>/
syntax match msegConstant /\<\%(false\|true\)\>/
syntax match msegField /[^.]\@1<=\.\zs\h\w*\>/
syntax match msegKind /^\s*\zs\%(data\|prep\|split\|taxonomy\|experts\|model\|eval\|compare\|figure\|report\)\>\ze\s\+\h\w*\s*=/
syntax match msegHead /^\s*\zs\%(mseg\|use\|param\|fn\|expect\)\>\ze\%(\s\|$\)/
syntax match msegOperator /|>\|->\|\.\.\|[=!<>]=\|[-+*<>=?]/
syntax match msegOperator /\%(\%(\k\|[)\]}"%]\)\s*\)\@<=\//
syntax match msegPath /\%(^\s*\|[(\[{,:=|>+*<-]\s*\|\<\%(else\|for\|if\|and\|in\|not\|or\)\s\+\)\@<=\/\%([[:alnum:]_&]\+\|\*\{1,2}\)\?\%(\/\%([[:alnum:]_&]\+\|\*\{1,2}\)\)*/
syntax match msegNumber /\<\d\+\%(\.\d\+\)\?\%([eE][+-]\?\d\+\)\?/ nextgroup=msegUnit skipwhite
syntax match msegUnit /%\|\%(px\|mm\|cm\|HU\|epochs\|epoch\|steps\|step\|s\|min\|h\|KiB\|MiB\|GiB\|deg\)\>\%(\s*:\)\@!/ contained
syntax match msegEscape /\\["\\nt]\|\\u{\x\+}/ contained
syntax match msegPlaceholder /{\h\w*}/ contained
syntax region msegString start=/"/ skip=/\\./ end=/"/ oneline contains=msegEscape,msegPlaceholder
syntax match msegComment /#.*$/ contains=@Spell

highlight default link msegBuiltin Function
highlight default link msegType Type
highlight default link msegKey Identifier
highlight default link msegControl Conditional
highlight default link msegWordOperator Operator
highlight default link msegConstant Boolean
highlight default link msegKind StorageClass
highlight default link msegHead Statement
highlight default link msegOperator Operator
highlight default link msegPath Constant
highlight default link msegNumber Number
highlight default link msegUnit Special
highlight default link msegEscape SpecialChar
highlight default link msegPlaceholder Special
highlight default link msegString String
highlight default link msegComment Comment

let b:current_syntax = "mseg"

import { defineErrors } from './define';

export const tpmErrors = defineErrors({});

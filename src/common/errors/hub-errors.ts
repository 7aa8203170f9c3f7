import { defineErrors } from './define';

export const hubErrors = defineErrors({});

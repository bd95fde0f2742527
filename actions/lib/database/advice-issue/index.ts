export { type AdviceIssue, adviceLabel, adviceMarker, findAdviceIssue, readAdviceIssue } from './issue.ts';
export { choiceLabel, chosenBy, syncChoiceLabels } from './labels.ts';
